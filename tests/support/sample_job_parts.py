"""A small good job to spoil, and a way to run a sample job without us."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from node3nb.jobs import ExitReason, JobResult, JobSpec, JobState, OutputFile
from node3nb.sample_jobs import SampleJob

TEST_JOBS = Path(__file__).parents[2] / "test_jobs"
NAMES = sorted(path.name for path in TEST_JOBS.iterdir() if path.is_dir())
WITH_INPUT = ["03_file_processing", "06_csv_aggregation", "07_image_thumbnails", "08_ml_inference"]
#: Jobs that a plain process can't stop in time.
HOSTILE = ["11_eats_memory"]

GOOD = {
    "description": "Says hello.",
    "job": {"command": ["python", "main.py"], "timeout": 5},
    "scripts": ["main.py"],
    "input": {"make": "make_input.py", "file": "in.txt"},
    "expect": {
        "state": "completed",
        "reason": "exited",
        "exit_code": 0,
        "stdout": "hello\n",
        "stdout_contains": ["hell"],
        "stderr_contains": ["warm"],
        "outputs": {
            "a.json": {"json": {"n": [1, 2.5], "on": True, "none": None}, "tolerance": 0.01},
            "b.txt": {"text": "über\n"},
            "c.bin": {"sha256": hashlib.sha256(b"\0\1").hexdigest()},
            "d.bin": {"min_bytes": 3},
        },
    },
}
CONTENTS = {
    "a.json": b'{"n": [1.001, 2.5], "on": true, "none": null}',
    "b.txt": "über\n".encode(),
    "c.bin": b"\0\1",
    "d.bin": b"abc",
}


def write_job(
    parent: Path, described: object = GOOD, *, recipe: str = "", name: str = "01_job"
) -> Path:
    directory = parent / name
    directory.mkdir(parents=True)
    text = described if isinstance(described, str) else json.dumps(described)
    (directory / "job.json").write_text(text, encoding="utf-8")
    (directory / "main.py").write_text("print('hello')\n")
    (directory / "make_input.py").write_text(recipe)
    return directory


def changed(where: str, value: object) -> dict:
    """Return GOOD with one field set, named by its path."""
    copy = json.loads(json.dumps(GOOD))
    *path, last = where.split("/")
    inner = copy
    for step in path:
        inner = inner[step]
    inner[last] = value
    return copy


def result_of(contents: dict[str, bytes], **fields: object) -> JobResult:
    outputs = tuple(
        OutputFile(path, len(content), hashlib.sha256(content).hexdigest())
        for path, content in sorted(contents.items())
    )
    return JobResult(**{"job_id": "j", "outputs": outputs, **fields})


def good_result(contents: dict[str, bytes] = CONTENTS, **fields: object) -> JobResult:
    ending = {"state": JobState.COMPLETED, "reason": ExitReason.EXITED, "exit_code": 0}
    printed = {"stdout": "hello\n", "stderr": "it is warm\n"}
    return result_of(contents, **{**ending, **printed, **fields})


def interpreter_first(command: tuple[str, ...]) -> list[str]:
    return [sys.executable, *command[1:]] if command[0] == "python" else list(command)


def run_plainly(sample: SampleJob, root: Path) -> tuple[JobResult, Path]:
    """Run a job as a bare process: no provider, no sandbox, only its own variables."""
    spec = sample.spec()
    places = {name: root / name for name in ("job", "input", "output")}
    for place in places.values():
        place.mkdir()
    for name, text in spec.files.items():
        (places["job"] / name).write_text(text, encoding="utf-8", newline="")
    if source := sample.input_path():
        unpack(source, places["input"])
    given = {"INPUT_DIR": str(places["input"]), "OUTPUT_DIR": str(places["output"])}
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", **given, **spec.environment}
    ending = run_command(spec, places["job"], environment)
    left = [path for path in places["output"].rglob("*") if path.is_file()]
    contents = {path.relative_to(places["output"]).as_posix(): path.read_bytes() for path in left}
    return result_of(contents, **ending), places["output"]


def unpack(source: Path, target: Path) -> None:
    if source.name.endswith(".tar.gz"):
        with tarfile.open(source) as archive:
            archive.extractall(target, filter="data")
    else:
        shutil.copy(source, target)


def run_command(spec: JobSpec, directory: Path, environment: dict[str, str]) -> dict[str, object]:
    command = interpreter_first(spec.command)
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=directory, env=environment, **streams) as process:
        try:
            stdout, stderr = process.communicate(timeout=spec.limits.timeout_s)
            code, reason = process.returncode, ExitReason.EXITED
        except subprocess.TimeoutExpired:
            process.terminate()
            stdout, stderr = process.communicate()
            code, reason = None, ExitReason.TIMED_OUT
    state = JobState.COMPLETED if code == 0 else JobState.FAILED
    printed = {"stdout": stdout.decode(), "stderr": stderr.decode()}
    return {"state": state, "reason": reason, "exit_code": code, **printed}
