"""The sample jobs are well described, made alike every time, and right when run plainly."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from node3nb import sample_jobs
from node3nb.errors import ConfigError
from node3nb.jobs import ExitReason, JobResult, JobSpec, JobState, OutputFile
from node3nb.marketplace.protocol import JobSubmission
from node3nb.sample_jobs import SampleJob

TEST_JOBS = Path(__file__).parents[1] / "test_jobs"
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


# What is in the repository.


def test_every_job_loads_in_order() -> None:
    assert [job.name for job in sample_jobs.load(TEST_JOBS)] == NAMES
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_submission_is_plain_json_that_our_own_server_takes(name: str) -> None:
    job = sample_jobs.load_job(TEST_JOBS / name)
    body = json.dumps(job.submission())
    taken = JobSubmission.model_validate_json(body)
    assert taken == job.job
    described = json.loads((TEST_JOBS / name / "job.json").read_text(encoding="utf-8"))
    assert list(taken.files) == described["scripts"]
    assert taken.awaits_input == (job.recipe is not None)


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_carries_the_files_and_the_limits(name: str) -> None:
    job = sample_jobs.load_job(TEST_JOBS / name)
    spec = job.spec("run-1")
    assert spec.job_id == "run-1"
    assert spec.files == job.job.files
    assert spec.limits.timeout_s == job.job.timeout
    assert spec.limits.memory_bytes == job.job.requirements.memory_bytes
    assert job.spec().job_id != job.spec().job_id


def test_the_files_in_the_repository_are_small() -> None:
    files = [path for path in TEST_JOBS.rglob("*") if "generated" not in path.parts]
    assert all(path.stat().st_size < 300_000 for path in files if path.is_file())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HOSTILE])
def test_a_job_gives_its_result_when_run_plainly(name: str, tmp_path: Path) -> None:
    job = sample_jobs.load_job(TEST_JOBS / name)
    assert not job.missing(), "the test extra brings what the jobs need"
    result, output = run_plainly(job, tmp_path)
    assert sample_jobs.check(job, result, lambda path: (output / path).read_bytes()) == ()


def test_training_again_gives_the_model_that_is_shipped(tmp_path: Path) -> None:
    source = TEST_JOBS / "08_ml_inference"
    shutil.copy(source / "train.py", tmp_path)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True, timeout=60)
    shipped = json.loads((source / "model.json").read_text())
    trained = json.loads((tmp_path / "model.json").read_text())
    assert trained["classes"] == shipped["classes"]
    for again, before in zip(trained["coefficients"], shipped["coefficients"], strict=True):
        assert again == pytest.approx(before, abs=0.01)


# Reading a job.


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ("{", r"^01_job/job\.json: .*JSON"),
        ("[]", r"^01_job/job\.json: "),
        (changed("surprise", 1), r"job\.json: surprise: "),
        (changed("description", ""), r"job\.json: description: "),
        (changed("job/surprise", 1), r"job\.json: job\.surprise: "),
        (changed("job/timeout", "5"), r"job\.json: job\.timeout: "),
        (changed("job/timeout", -1), r"job\.json: job\.timeout: "),
        (changed("job/command", []), r"job\.json: job\.command: "),
        (changed("job/environment", {"A": "x\ny"}), r"job\.json: job\.environment\.A: "),
        (changed("job/requirements", {"cpu": 1}), r"job\.json: job\.requirements\.cpu: "),
        (changed("job/files", {"a": "b"}), r"job\.json: job\.files: leave it out; .*scripts"),
        (changed("job/input_data_url", "http://x/y"), r"job\.input_data_url: leave it out"),
        (changed("job/output_upload_url", "http://x/y"), r"job\.output_upload_url: leave it out"),
        (changed("job/input_sha256", "0" * 64), r"job\.input_sha256: leave it out"),
        (changed("job/awaits_input", True), r"job\.awaits_input: leave it out"),
        (changed("scripts", ["gone.py"]), r"job\.json: scripts: gone\.py: it can't be read"),
        (changed("scripts", ["../main.py"]), r"job\.json: scripts\.0: "),
        (changed("needs", "numpy"), r"job\.json: needs: "),
        (changed("input/make", "gone.py"), r"job\.json: input\.make: gone\.py: it can't be read"),
        (changed("input/file", "../x"), r"job\.json: input\.file: "),
        (changed("input/url", "x"), r"job\.json: input\.url: "),
        (changed("expect/state", "running"), r"job\.json: expect: .*final"),
        (changed("expect/state", "done"), r"job\.json: expect\.state: "),
        (changed("expect/reason", "timed_out"), r"job\.json: expect: .*exit_code"),
        (changed("expect/exit_code", 3), r"job\.json: expect: .*completed"),
        (changed("expect/stdout_contains", "hello"), r"job\.json: expect\.stdout_contains: "),
        (changed("expect/outputs/x", {}), r"job\.json: expect\.outputs\.x: .*exactly one"),
        (changed("expect/outputs/x", {"json": None, "text": ""}), r"outputs\.x: .*exactly one"),
        (changed("expect/outputs/x", {"text": "", "tolerance": 0.1}), r"outputs\.x: .*tolerance"),
        (changed("expect/outputs/x", {"sha256": "0"}), r"job\.json: expect\.outputs\.x\.sha256: "),
        (changed("expect/outputs/x", {"min_bytes": 0}), r"expect\.outputs\.x\.min_bytes: "),
    ],
)
def test_a_malformed_job_is_refused_by_file_and_field(
    tmp_path: Path, described: object, message: str
) -> None:
    write_job(tmp_path, described)
    with pytest.raises(ConfigError, match=message):
        sample_jobs.load(tmp_path)


def test_a_job_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    directory = write_job(tmp_path)
    (directory / "main.py").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"^01_job/job\.json: scripts: main\.py: it is not UTF-8"):
        sample_jobs.load(tmp_path)


def test_a_directory_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        sample_jobs.load(tmp_path / "gone")
    with pytest.raises(ConfigError, match="holds no jobs"):
        sample_jobs.load(tmp_path)
    (tmp_path / "01_empty").mkdir()
    with pytest.raises(ConfigError, match=r"^01_empty/job\.json: it can't be read"):
        sample_jobs.load(tmp_path)


def test_a_directory_is_named_like_a_job(tmp_path: Path) -> None:
    write_job(tmp_path, name="my job")
    with pytest.raises(ConfigError, match=r"^my job: name the directory like"):
        sample_jobs.load(tmp_path)


def test_what_this_python_lacks_is_named(tmp_path: Path) -> None:
    job = sample_jobs.load_job(write_job(tmp_path, changed("needs", ["pytest", "no-such-thing"])))
    assert job.missing() == ("no-such-thing",)
    with pytest.raises(ConfigError, match=r"^01_job: it needs no-such-thing; install"):
        job.input_path()


# Checking a result.


def differences(tmp_path: Path, result: JobResult, contents: dict[str, bytes]) -> tuple[str, ...]:
    job = sample_jobs.load_job(write_job(tmp_path))
    return sample_jobs.check(job, result, contents.__getitem__)


def test_the_right_result_has_no_difference(tmp_path: Path) -> None:
    assert differences(tmp_path, good_result(), CONTENTS) == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"state": JobState.FAILED, "message": "Broken."}, "state: failed instead of completed. B"),
        ({"reason": ExitReason.LOST}, "reason: lost instead of exited."),
        ({"exit_code": 1}, "exit_code: 1 instead of 0."),
        ({"exit_code": None}, "exit_code: None instead of 0."),
        ({"stdout": "hello"}, "stdout: '' instead of '\\n' after 5 characters"),
        ({"stdout": "hello\n!"}, "stdout: '!' instead of '' after 6 characters"),
        ({"stderr": "it is cold\n"}, "stderr: 'warm' is not in it"),
    ],
)
def test_a_wrong_ending_is_a_difference(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    [found] = differences(tmp_path, good_result(**fields), CONTENTS)
    assert found.startswith(message)


def test_a_text_missing_from_standard_output_is_a_difference(tmp_path: Path) -> None:
    described = changed("expect/stdout", None)
    described["expect"]["stdout_contains"] = ["hello", "goodbye"]
    job = sample_jobs.load_job(write_job(tmp_path, described))
    found = sample_jobs.check(job, good_result(), CONTENTS.__getitem__)
    assert found == ("stdout: 'goodbye' is not in it",)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("a.json", b'{"n": [1, 2.6], "on": true, "none": null}', "$.n[1]: 2.6 instead of 2.5"),
        ("a.json", b'{"n": [1], "on": true, "none": null}', "$.n: 1 elements instead of 2"),
        ("a.json", b'{"n": 1, "on": true, "none": null}', "$.n: 1 instead of [1, 2.5]"),
        ("a.json", b'{"n": [1, 2.5], "on": 1, "none": null}', "$.on: 1 instead of True"),
        ("a.json", b'{"n": [true, 2.5], "on": true, "none": null}', "$.n[0]: True instead of 1"),
        ("a.json", b'{"n": [NaN, 2.5], "on": true, "none": null}', "$.n[0]: nan instead of 1"),
        ("a.json", b'{"n": [1, 2.5], "on": true}', "$: 'none' is missing"),
        ("a.json", b'{"n":[1,2.5],"on":true,"none":null,"x":0}', "$: 'x' is not expected"),
        ("a.json", b'{"n": [%s, 2.5], "on": true, "none": null}' % (b"9" * 400), "$.n[0]: 999"),
        ("a.json", b"{", "b'{' is not JSON"),
        ("a.json", b"[" * 100_000, "b'[[[[[["),
        ("a.json", b"\xff", "b'\\xff' is not JSON"),
        ("b.txt", b"uber\n", "'uber\\n' instead of '\\xfcber\\n' after 0 characters"),
        ("b.txt", b"\xff", "'\\\\xff' instead of"),
        ("c.bin", b"\0\2", "its SHA-256 is not "),
        ("d.bin", b"ab", "2 bytes are fewer than 3"),
    ],
)
def test_a_wrong_content_is_a_difference(
    tmp_path: Path, path: str, content: bytes, message: str
) -> None:
    contents = CONTENTS | {path: content}
    [found] = differences(tmp_path, good_result(contents), contents)
    assert found.startswith(f"{path}: {message}")


def test_a_number_is_exact_without_a_tolerance(tmp_path: Path) -> None:
    described = changed("expect/outputs", {"n.json": {"json": 1}})
    job = sample_jobs.load_job(write_job(tmp_path, described))
    for content, right in ((b"1", True), (b"1.0", True), (b"1.0000001", False)):
        result = good_result({"n.json": content})
        assert (not sample_jobs.check(job, result, lambda _, held=content: held)) is right


def test_an_output_too_many_or_too_few_is_a_difference(tmp_path: Path) -> None:
    contents = CONTENTS | {"core": b"dumped"}
    del contents["d.bin"]
    found = differences(tmp_path, good_result(contents), contents)
    assert found == ("outputs: 'core' is not expected", "outputs: d.bin is missing")


def test_an_output_that_is_not_what_the_result_says_is_a_difference(tmp_path: Path) -> None:
    [found] = differences(tmp_path, good_result(), CONTENTS | {"d.bin": b"abcd"})
    assert found == "d.bin: its content is not what the result says of its size and SHA-256"


def test_an_output_that_cannot_be_read_is_a_difference(tmp_path: Path) -> None:
    contents = {path: content for path, content in CONTENTS.items() if path != "d.bin"}
    [found] = differences(tmp_path, good_result(), contents)
    assert found.startswith("d.bin: it can't be read")


# Making an input.

SLOW_RECIPE = """
import sys, time
from pathlib import Path
with Path(__file__).with_name("made.log").open("a") as log:
    log.write("made\\n")
with Path(sys.argv[1], "in.txt").open("w") as out:
    for line in range(10):
        print(line, file=out, flush=True)
        time.sleep(0.05)
"""
COMPLETE = "".join(f"{line}\n" for line in range(10))


def test_two_makers_at_once_both_get_the_whole_input(tmp_path: Path) -> None:
    directory = write_job(tmp_path, recipe=SLOW_RECIPE)
    start = threading.Barrier(2)

    def make(_: int) -> tuple[Path, str]:
        start.wait(10)
        path = sample_jobs.load_job(directory).input_path()
        return path, path.read_text()

    with ThreadPoolExecutor(2) as makers:
        [first, second] = makers.map(make, range(2))
    assert first == second
    assert first[1] == COMPLETE
    assert (directory / "made.log").read_text() == "made\n" * 2
    assert [path.name for path in (directory / "generated").iterdir()] == [first[0].parent.name]


def test_an_unfinished_input_is_never_in_its_place(tmp_path: Path) -> None:
    directory = write_job(tmp_path, recipe=SLOW_RECIPE)
    seen = set()
    with ThreadPoolExecutor(1) as maker:
        making = maker.submit(sample_jobs.load_job(directory).input_path)
        while not making.done():
            seen |= {path.read_text() for path in directory.glob("generated/*/in.txt")}
    assert seen <= {COMPLETE}
    assert making.result().read_text() == COMPLETE


def test_an_input_is_made_once_and_anew_when_a_script_changes(tmp_path: Path) -> None:
    directory = write_job(tmp_path, recipe=SLOW_RECIPE)
    job = sample_jobs.load_job(directory)
    first = job.input_path()
    assert job.input_path() == first
    assert (directory / "made.log").read_text() == "made\n"
    (directory / "make_input.py").write_text(SLOW_RECIPE.replace("range(10)", "range(2)"))
    assert job.input_path() != first
    assert job.input_path().read_text() == "0\n1\n"


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("raise SystemExit('no luck')", "^01_job/make_input.py: it failed with exit code 1: no lu"),
        ("1 / 0", "exit code 1: ZeroDivisionError: division by zero$"),
        ("pass", "^01_job/make_input.py: it must write in.txt and nothing else"),
        (
            "import sys, pathlib; [pathlib.Path(sys.argv[1], n).touch() for n in ('in.txt', 'b')]",
            "it must write in.txt and nothing else",
        ),
    ],
)
def test_a_recipe_that_fails_leaves_nothing(tmp_path: Path, recipe: str, message: str) -> None:
    directory = write_job(tmp_path, recipe=recipe)
    with pytest.raises(ConfigError, match=message):
        sample_jobs.load_job(directory).input_path()
    assert list((directory / "generated").iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    directory = write_job(tmp_path)
    (directory / "generated").write_text("in the way")
    with pytest.raises(ConfigError, match=r"^01_job: its input can't be made"):
        sample_jobs.load_job(directory).input_path()


def test_a_job_without_input_has_none(tmp_path: Path) -> None:
    assert sample_jobs.load_job(write_job(tmp_path, changed("input", None))).input_path() is None


@pytest.mark.parametrize("name", WITH_INPUT)
def test_an_input_is_the_same_wherever_it_is_made(name: str, tmp_path: Path) -> None:
    def make(place: str) -> str:
        copy = tmp_path / place / name
        shutil.copytree(TEST_JOBS / name, copy, ignore=shutil.ignore_patterns("generated"))
        job = replace(sample_jobs.load_job(TEST_JOBS / name), directory=copy)
        return hashlib.sha256(job.input_path().read_bytes()).hexdigest()

    with ThreadPoolExecutor(2) as makers:
        [one, other] = makers.map(make, ("one", "other"))
    assert one == other


def test_the_large_input_is_large() -> None:
    source = sample_jobs.load_job(TEST_JOBS / "06_csv_aggregation").input_path()
    assert source.stat().st_size >= 50 << 20
