"""What a job is given and what its result says, whichever executor runs it."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.native_jobs import MIB, SECRET, Bench, Started, limits, linux_only, printed, wait_until
from support.native_traces import MARK

from node3nb.errors import ExecutorError
from node3nb.executor import choose
from node3nb.jobs import ExitReason, Isolation, JobResult, JobSpec, JobState, ResourceLimits

pytestmark = linux_only


def _ran(result: JobResult, kind: str) -> JobResult:
    """Hold what every result of a run says, and return it."""
    container = kind != "native"
    assert result.executor == ("container" if container else "native")
    assert (result.isolation is Isolation.CONTAINER) is container
    assert result.layers[0] == result.isolation
    assert result.memory_enforced_by
    assert bool(result.image) is container
    assert result.started_at is not None
    assert result.startup_ms > 0
    assert result.wall_s > 0
    return result


@pytest.mark.parametrize(("code", "state"), [(0, JobState.COMPLETED), (7, JobState.FAILED)])
def test_exit_code(bench: Bench, kind: str, code: int, state: JobState) -> None:
    result = _ran(bench.python(f"raise SystemExit({code})"), kind)
    assert (result.exit_code, result.signal, result.state) == (code, None, state)
    assert result.reason is ExitReason.EXITED
    assert (str(code) in result.message) is bool(code)


def test_signal(bench: Bench, kind: str) -> None:
    result = _ran(bench.python("import os; os.kill(os.getpid(), 6)"), kind)
    assert (result.exit_code, result.signal) == (None, signal.SIGABRT)
    assert result.reason is ExitReason.SIGNALED
    assert "SIGABRT" in result.message


def test_what_is_measured(bench: Bench, kind: str) -> None:
    before = datetime.now(UTC)
    result = bench.python(
        "import os, time\n"
        "taken = b'x' * (100 << 20)\n"
        "open('out', 'wb').write(b'y' * (3 << 20))\n"
        "if os.fork(): os.wait()\n"
        "began = time.process_time()\n"
        "while time.process_time() - began < 0.3: pass\n",
    )
    assert _ran(result, kind).ok
    assert result.started_at is not None
    started = datetime.fromisoformat(result.started_at)
    assert before - timedelta(seconds=1) <= started <= datetime.now(UTC)
    assert result.wall_s >= 0.3
    usage = result.usage
    assert 0.5 <= usage.cpu_s <= 2
    assert 100 * MIB <= usage.peak_memory_bytes <= 150 * MIB
    assert usage.peak_processes == 2
    assert 3 * MIB <= usage.written_bytes <= 4 * MIB


def test_program_missing(bench: Bench) -> None:
    result = bench.run("no-such-program", "x")
    assert (result.exit_code, result.reason) == (127, ExitReason.EXITED)
    assert "command" in result.message
    assert "no-such-program" in result.message


def test_program_not_executable(bench: Bench) -> None:
    result = bench.run("./text", files={"text": "no program"})
    assert (result.exit_code, result.reason) == (126, ExitReason.EXITED)
    assert "can't be executed" in result.message


@pytest.mark.parametrize("name", ["gone.py", "/input/gone.py", "n" * 5000])
def test_script_missing(bench: Bench, name: str) -> None:
    result = bench.run("python", name)
    assert (result.exit_code, result.state) == (127, JobState.FAILED)
    assert result.message.startswith("command: the script")
    assert len(result.message) < 500


@pytest.mark.parametrize("named", ["a.py", "./a.py", "/job/a.py"])
def test_script_of_the_job(bench: Bench, named: str) -> None:
    code = "import sys; print(sys.argv[1:])"
    result = bench.run("python", "-u", "-W", "ignore", named, "x", files={"a.py": code})
    assert printed(result) == "['x']\n"


@pytest.mark.parametrize("named", ["sub/a.py", "/input/sub/a.py"])
def test_script_of_the_input(bench: Bench, named: str) -> None:
    def prepare(job: Started) -> None:
        (job.workspace.input / "sub").mkdir()
        (job.workspace.input / "sub" / "a.py").write_text("print('from the input')")

    assert printed(bench.run("python", named, prepare=prepare)) == "from the input\n"


def test_command_is_a_list(bench: Bench) -> None:
    words = ["a b", "$HOME", "; exit 1", "*", "", "'\"", "\u00fc"]
    result = bench.run("python", "-c", "import sys; print(sys.argv[1:])", *words)
    assert printed(result) == f"{words}\n"


def test_environment_is_an_allow_list(bench: Bench) -> None:
    result = bench.run("/usr/bin/env", "-0", environment={"ASKED": "for"})
    given = dict(entry.split("=", 1) for entry in printed(result).rstrip("\0").split("\0"))
    mark = given.pop(MARK)
    of_the_engine = {"HOSTNAME", "container", "TERM"}
    assert given.pop("NVIDIA_VISIBLE_DEVICES", "void") == "void"
    assert given.pop("PATH").endswith("/usr/bin:/bin")
    assert {name: value for name, value in given.items() if name not in of_the_engine} == {
        "LANG": "C.UTF-8",
        "HOME": "/job",
        "TMPDIR": "/tmp",
        "JOB_ID": f"job-{mark[:8]}",
        "INPUT_DIR": "/input",
        "OUTPUT_DIR": "/output",
        "ASKED": "for",
    }


def test_owners_secrets_are_nowhere(bench: Bench) -> None:
    assert SECRET in os.environ.values()
    code = (
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: print(open(path, 'rb').read())\n"
        "    except OSError: print('closed')\n"
    )
    result = bench.python(code)
    assert "LANG=" in printed(result)
    assert SECRET not in result.stdout


def test_process(bench: Bench) -> None:
    report = json.loads(printed(bench.program("report.py")))
    assert report["cwd"] == report["environ"]["HOME"] == "/job"
    assert report["umask"] == 0o022
    assert report["descriptors"] == [0, 1, 2]
    assert (report["stdin"], report["stdin_is_null"]) == ("", True)
    assert report["no_new_privileges"] == "1"
    assert report["oom_score_adj"] == "1000"
    assert report["limits"]["NOFILE"] == [1024, 1024]
    assert report["limits"]["CORE"][1] <= 1
    assert report["limits"]["FSIZE"][1] >= 256 * MIB


def test_signals_are_as_a_shell_would_leave_them(bench: Bench) -> None:
    code = "import signal; print(signal.getsignal(signal.SIGTERM))"
    assert printed(bench.python(code)).strip() == "0"
    result = bench.run("grep", "-E", "SigIgn", "/proc/self/status")
    assert int(printed(result).split()[1], 16) & ~(0b11 << 31) == 0


def test_what_it_can_write(bench: Bench) -> None:
    code = (
        "import os\n"
        "for place in ('/', '/usr', '/etc', '/input', '/job', '/output', '/tmp'):\n"
        "    try: open(place + '/x', 'w').close(); print(place)\n"
        "    except OSError: pass\n"
    )
    assert printed(bench.python(code)).split() == ["/job", "/output", "/tmp"]


def test_no_network(bench: Bench) -> None:
    code = (
        "import os, socket\n"
        "print(sorted(os.listdir('/proc/sys/net/ipv4/conf')))\n"
        "try: socket.create_connection(('192.0.2.1', 9), 1)\n"
        "except OSError as error: print(error.errno)\n"
    )
    interfaces, number = printed(bench.python(code)).splitlines()
    assert "eth0" not in interfaces
    assert int(number) == 101  # network is unreachable


def test_outputs_are_the_owners_to_take(bench: Bench) -> None:
    """Nothing is left that a provider could not remove, or that root would own for another."""

    def prepare(job: Started) -> None:
        kept.append(job)

    kept: list[Started] = []
    code = (
        "import os\n"
        "os.mkdir('/output/closed', 0); open('/output/secret', 'w').close()\n"
        "os.chmod('/output/secret', 0)\n"
    )
    with bench.started("python", "-c", code, prepare=prepare) as job:
        assert job.result().ok
        for path in [job.workspace.output, *job.workspace.output.iterdir()]:
            assert path.stat().st_uid != 0, "the owner is root, and the job was not"
            assert not path.stat().st_mode & stat.S_ISUID
    assert not kept[0].workspace.root.exists()


def test_same_id_again(bench: Bench) -> None:
    for number in range(3):
        assert printed(bench.run("echo", str(number), job_id="again")) == f"{number}\n"


def test_same_id_at_once(bench: Bench) -> None:
    with bench.started_program("stubborn.py", "polite", job_id="twice") as first:
        first.await_line("ready")
        with pytest.raises(ExecutorError, match="twice"):
            bench.run("true", job_id="twice")
        wait_until(first.listener.running.is_set)


@pytest.mark.parametrize("memory_bytes", [1, 31 * MIB])
def test_less_memory_than_an_interpreter_needs(bench: Bench, memory_bytes: int) -> None:
    caps = ResourceLimits(memory_bytes=memory_bytes)
    result = bench.run("true", limits=caps)
    assert result.reason is ExitReason.REFUSED
    assert "32 MiB" in result.message
    choice = choose(JobSpec(("true",), limits=caps), (bench.executor,))
    assert choice.executor is None
    assert "32 MiB" in choice.why


def test_log_that_is_in_the_way(bench: Bench) -> None:
    result = bench.run("true", prepare=lambda job: (job.workspace.log / "stdout").touch())
    assert result.reason is ExitReason.INTERNAL
    assert "could not be watched" in result.message


def test_head_and_tail_are_kept(bench: Bench) -> None:
    size, cap = 1 << 20, 10_001
    result = bench.program("printing.py", "counted", str(size), limits=limits(log_bytes=cap))
    assert result.stdout_truncated
    assert not result.stderr_truncated
    assert printed(result).startswith(f"{0:015}\n{1:015}\n")
    assert result.stdout.endswith(f"{size // 16 - 1:015}\n")
    assert f"\n[... {size - cap} bytes left out ...]\n" in result.stdout


def test_exactly_the_cap_is_whole(bench: Bench) -> None:
    result = bench.program("printing.py", "counted", "16384", limits=limits(log_bytes=16384))
    assert not result.stdout_truncated
    assert printed(result).splitlines() == [f"{number:015}" for number in range(1024)]


def test_binary_output_is_no_trouble(bench: Bench) -> None:
    result = bench.program("printing.py", "binary")
    assert printed(result).startswith("\x00\x01\x02")
    assert result.stdout.endswith("\ufffd\ufffd\ufffd\n")
    assert result.stderr == "\ufffd(\x00"


def test_log_can_be_read_while_the_job_runs(bench: Bench) -> None:
    with bench.started_program("printing.py", "trickle") as job:
        job.await_line("first")
        assert not job.outcome.done()


def test_flood(bench: Bench) -> None:
    with bench.started_program("printing.py", "flood", limits=limits(log_bytes=4096)) as job:
        wait_until(lambda: "left out" in job.workspace.read_log("stdout", 1 << 20).decode())
        assert (job.workspace.log / "stdout").stat().st_size < 5000
        result = job.result()
    assert result.reason is ExitReason.OUTPUT_LIMIT
    assert "64 MiB" in result.message
    assert result.stdout_truncated


@pytest.fixture
def files_left(bench: Bench) -> Iterator[None]:
    """Hold that a test leaves nothing beside what waits for the next job."""
    yield
    left = {path.name.split("-")[0] for path in Path(bench.area).iterdir()}
    assert left <= {"prepared"}


def test_nothing_is_left_of_a_workspace(bench: Bench, files_left: None) -> None:
    assert bench.run("true").ok
