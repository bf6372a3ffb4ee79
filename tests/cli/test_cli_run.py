"""`node3nb run`: one command, and all that its exit status and its answer can tell."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli.cli_parts import BOUND_S, NODE3NB, answered, begun, complaint, eventually, node3nb
from support.gates import WAITS, let_go
from support.native_traces import Trace

from node3nb import config

KEYS = {
    "job_id", "state", "reason", "exit_code", "signal", "message", "executor", "why", "image",
    "isolation", "memory_enforced_by", "layers", "started_at", "wall_s", "startup_ms", "usage",
    "stdout", "stderr", "stdout_truncated", "stderr_truncated", "outputs",
}  # fmt: skip
USAGE = {
    "cpu_s", "peak_memory_bytes", "written_bytes", "peak_processes", "io_read_bytes",
    "io_written_bytes",
}  # fmt: skip
EATS = "blocks = []\nwhile True: blocks.append(bytearray(8 << 20))"
SLEEPS = "import time; print('begun', flush=True); time.sleep(600)"


def python(script: str, *options: object) -> subprocess.CompletedProcess[str]:
    return node3nb("run", *options, "--", "python", "-c", script)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["python", "-c", "raise SystemExit(3)"], 3),
        (["python", "-c", "raise SystemExit(125)"], 125),
        (["no-such-program"], 127),
        (["python", "missing.py"], 127),
        (["/etc/passwd"], 126),
        (["python", "-c", "import os; os.kill(os.getpid(), 15)"], 143),
        (["python", "-c", "import os; os.kill(os.getpid(), 9)"], 137),
    ],
)
def test_the_exit_status_is_the_jobs_own(command: list[str], code: int) -> None:
    ended = node3nb("run", "--", *command)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_job_out_of_time() -> None:
    ended = python("import time; time.sleep(600)", "--timeout", "0.5")
    assert ended.returncode == 124
    assert ended.stderr.startswith("node3nb: ")


def test_a_job_out_of_memory() -> None:
    ended = python(EATS, "--memory", "128M")
    assert ended.returncode == 137
    assert "128" in ended.stderr


def test_the_answer_has_the_keys_it_is_to_have() -> None:
    told = answered("run", "--json", "--", "python", "-c", "print('hi')")
    assert set(told) == KEYS
    assert set(told["usage"]) == USAGE
    assert (told["state"], told["reason"], told["exit_code"]) == ("completed", "exited", 0)
    assert (told["stdout"], told["stderr"], told["executor"]) == ("hi\n", "", "native")
    assert told["signal"] is None
    assert told["outputs"] == []
    assert told["wall_s"] > 0
    assert told["startup_ms"] > 0


@pytest.mark.parametrize(
    ("options", "reason", "code"),
    [
        (
            ["--timeout", "0.3", "--", "python", "-c", "import time; time.sleep(99)"],
            "timed_out",
            124,
        ),
        (["--", "no-such-program"], "exited", 127),
        (["--", "python", "-c", "import os; os.kill(os.getpid(), 9)"], "signaled", 137),
    ],
)
def test_the_answer_of_a_failure_has_the_same_keys(
    options: list[str], reason: str, code: int
) -> None:
    ended = node3nb("run", "--json", *options)
    told = json.loads(ended.stdout)
    assert set(told) == KEYS
    assert (told["state"], told["reason"], ended.returncode) == ("failed", reason, code)
    assert told["message"]


def test_files_in_and_out(tmp_path: Path) -> None:
    given, made = tmp_path / "given", tmp_path / "deep" / "made"
    (given / "sub").mkdir(parents=True)
    (given / "sub" / "words.txt").write_text("one two")
    script = (
        "import os, pathlib\n"
        "source, target = map(pathlib.Path, (os.environ['INPUT_DIR'], os.environ['OUTPUT_DIR']))\n"
        "text = (source / 'sub' / 'words.txt').read_text()\n"
        "(target / 'nested').mkdir()\n"
        "(target / 'nested' / 'count').write_text(str(len(text.split())))\n"
    )
    told = answered(
        "run", "--json", "--input", given, "--output", made, "--", "python", "-c", script
    )
    sha256 = hashlib.sha256(b"2").hexdigest()
    assert told["outputs"] == [{"path": "nested/count", "bytes": 1, "sha256": sha256}]
    assert (made / "nested" / "count").read_text() == "2"


def test_one_file_in(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b")
    script = "import os; print(open(os.environ['INPUT_DIR'] + '/data.csv').read())"
    assert python(script, "--input", tmp_path / "data.csv").stdout == "a,b\n"


def test_the_original_of_an_input_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    script = (
        "import os; os.chdir(os.environ['INPUT_DIR']); os.chmod('data', 0o600); open('data', 'w')"
    )
    python(script, "--input", tmp_path)
    assert (tmp_path / "data").read_text() == "mine"


def test_the_environment_is_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE3_API_KEY", "a-secret")
    monkeypatch.setenv("MINE", "of the owner")
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    seen = json.loads(python(script, "--env", "A=1=2", "--env", "EMPTY=").stdout)
    assert (seen["A"], seen["EMPTY"]) == ("1=2", "")
    assert not {"MINE", "NODE3_API_KEY", "NODE3_HOME"} & set(seen)


def test_output_streams_while_the_job_runs() -> None:
    script = (
        "import sys\n"
        "print('früh', flush=True); print('aside', file=sys.stderr, flush=True)\n"
        f"{WAITS}"
        "print('late')\n"
    )
    with begun("run", "--", "python", "-c", script) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "früh\n"
        assert child.stdout.readline() == "begun\n"
        assert child.stderr.readline() == "aside\n"
        let_go()
        assert child.stdout.read() == "late\n"
        assert child.wait(BOUND_S) == 0


def test_what_streams_is_what_is_kept(tmp_path: Path) -> None:
    """Of a long log the head streams, the tail comes at the end, nothing twice."""
    script = "for number in range(2_000_000): print(number)"
    ended = python(script)
    lines = ended.stdout.splitlines()
    gap = next(index for index, line in enumerate(lines) if "left out" in line)
    assert lines[: gap - 1] == [str(number) for number in range(gap - 1)]
    assert lines[-1] == "1999999"
    assert lines[gap + 2 :] == [str(number) for number in range(int(lines[gap + 2]), 2_000_000)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(number: int) -> None:
    with begun("run", "--", "python", "-c", SLEEPS) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        (directory,) = config.work_dir().glob("*/*/job")
        job = Trace.of(str(directory), directory)
        assert job.living()
        family = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(number)
        assert child.wait(BOUND_S) == 130
        assert job.living() == []
        assert psutil.wait_procs(family, BOUND_S)[1] == []
        assert child.stderr is not None
        assert "Traceback" not in child.stderr.read()
    assert list(config.work_dir().iterdir()) == []


def test_an_interrupted_job_says_so_in_json() -> None:
    script = "open('begun', 'w'); import time; time.sleep(600)"
    with begun("run", "--json", "--", "python", "-c", script) as child:
        eventually(lambda: list(config.work_dir().glob("*/*/job/begun")))
        child.send_signal(signal.SIGINT)
        assert child.stdout is not None
        told = json.loads(child.stdout.read())
        assert child.wait(BOUND_S) == 130
    assert (told["state"], told["reason"]) == ("cancelled", "cancelled")


def test_a_reader_that_leaves_ends_the_job() -> None:
    script = "import time\nwhile True: print('y' * 1000, flush=True); time.sleep(0.01)"
    with begun("run", "--", "python", "-c", script) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.wait(BOUND_S) == 141
        assert child.stderr is not None
        assert child.stderr.read() == ""
    assert list(config.work_dir().iterdir()) == []


def test_a_terminal_that_knows_no_umlauts() -> None:
    env = {"PYTHONIOENCODING": "ascii"}
    ended = node3nb("run", "--", "python", "-c", "print('\\xfc')", env=env)
    assert (ended.returncode, ended.stdout) == (0, "\\xfc\n")


def test_several_runs_at_once_do_not_mind_each_other() -> None:
    results: list[Any] = []

    def run() -> None:
        script = "import os; open('mine', 'x'); print(os.listdir())"
        results.append(python(script).stdout)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S)
    assert results == ["['mine']\n"] * 3


def test_it_runs_as_a_module_and_as_a_script() -> None:
    script = Path(sys.executable).with_name("node3nb")
    for command in (NODE3NB, (os.fspath(script),)):
        ended = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=True, timeout=BOUND_S
        )
        assert ended.stdout.startswith("node3nb ")


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        ([], "command: it is empty"),
        (["--"], "command: it is empty"),
        (["--memory", "lots", "--", "true"], "'lots' is no size"),
        (["--memory", "0", "--", "true"], "memory_bytes: 0 is not between"),
        (["--memory", "-1G", "--", "true"], "memory"),
        (["--memory", "9999999999999T", "--", "true"], "memory_bytes"),
        (["--timeout", "soon", "--", "true"], "'soon' is no duration"),
        (["--timeout", "0", "--", "true"], "timeout: 0.0 is not between"),
        (["--timeout", "99d", "--", "true"], "timeout"),
        (["--cpus", "nan", "--", "true"], "cpus: "),
        (["--cpus", "many", "--", "true"], "--cpus"),
        (["--disk", "1X", "--", "true"], "'1X' is no size"),
        (["--env", "A", "--", "true"], "'A' has no value; write NAME=VALUE"),
        (["--env", "1A=2", "--", "true"], "environment: '1A' is no name"),
        (["--env", "A=b\nc", "--", "true"], "environment.A"),
        (["--network", "wifi", "--", "true"], "--network"),
        (["--executor", "container", "--", "true"], "container"),
        (["--executor", "cloud", "--", "true"], "--executor"),
        (["--input", "/no/such/place", "--", "true"], "/no/such/place is not there"),
        (["--output", "/dev/null/x", "--", "true"], "can't be made"),
        (["--output", "/etc/passwd", "--", "true"], "can't be made"),
        (["--isolation", "container", "--executor", "native", "--", "true"], "isolation"),
        (["--", "true", *["x" * 100_000] * 2], "command: 200007 bytes"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    mistake: Callable[[list[str]], str], words: list[str], tells: str
) -> None:
    assert tells in mistake(["run", *words])


def test_a_level_that_is_not_there_is_told_in_a_line() -> None:
    level = answered("doctor", "--json")["isolation"]
    line = complaint(node3nb("run", "--isolation", "container", "--", "true"))
    assert f"asks for isolation container; here there is {level}" in line
