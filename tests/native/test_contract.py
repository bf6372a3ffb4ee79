"""What every job is given, and what its result says."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import needs
from support.native_jobs import LIMITS, MIB, SECRET, Bench, Started, limits, linux_only, wait_until
from support.native_levels import once
from support.native_traces import MARK

from node3nb.jobs import ExitReason, Isolation, JobState, Start
from node3nb.supervisor.keepers import MOST_PARKED

#: Descriptors by which a supervisor holds a sandbox it keeps itself: five pipes, a pidfd, and the
#: lock on the user the job will have.
SANDBOX_DESCRIPTORS = 7


@pytest.fixture(params=Start)
def report(bench: Bench, request: pytest.FixtureRequest) -> dict[str, Any]:
    caps = limits(memory_bytes=512 * MIB)
    result = bench.program("report.py", limits=caps, start=request.param)
    assert result.ok, result
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize(("code", "state"), [(0, JobState.COMPLETED), (7, JobState.FAILED)])
def test_exit_code(bench: Bench, code: int, state: JobState) -> None:
    result = bench.python(f"raise SystemExit({code})")
    assert (result.exit_code, result.signal, result.state) == (code, None, state)
    assert result.reason is ExitReason.EXITED
    assert (str(code) in result.message) is bool(code)


def test_signal(bench: Bench) -> None:
    result = bench.python("import os; os.kill(os.getpid(), 6)")
    assert (result.exit_code, result.signal) == (None, signal.SIGABRT)
    assert result.reason is ExitReason.SIGNALED
    assert "SIGABRT" in result.message


@pytest.mark.parametrize("start", Start)
def test_what_is_measured(bench: Bench, level: Isolation, start: Start) -> None:
    before = datetime.now(UTC)
    result = bench.python(
        "import os, time\n"
        "taken = b'x' * (100 << 20)\n"
        "open('out', 'wb').write(b'y' * (3 << 20))\n"
        "if os.fork(): os.wait()\n"
        "began = time.process_time()\n"
        "while time.process_time() - began < 0.3: pass\n",
        start=start,
    )
    assert result.ok
    assert (result.executor, result.isolation, result.layers[0]) == ("native", level, level)
    grouped = "cgroup" in result.layers
    assert result.memory_enforced_by == ("cgroup" if grouped else "monitor")
    assert result.started_at is not None
    started = datetime.fromisoformat(result.started_at)
    assert before - timedelta(seconds=1) <= started <= datetime.now(UTC)
    assert result.startup_ms > 0
    assert result.wall_s >= 0.3
    usage = result.usage
    assert 0.55 <= usage.cpu_s <= 2
    assert 100 * MIB <= usage.peak_memory_bytes <= 150 * MIB
    assert usage.peak_processes == 2
    assert 3 * MIB <= usage.written_bytes <= 4 * MIB


@linux_only
def test_python_has_started_already_unless_it_must_not(bench: Bench) -> None:
    code = "print(open('/proc/self/cmdline').read().split('\\0')[1])"
    wait_until(lambda: "warm" in bench.python(code).stdout)
    assert bench.python(code, start=Start.EXEC).stdout == "-c\n"


def test_program_missing(bench: Bench) -> None:
    result = bench.run("no-such-program", "x")
    assert (result.exit_code, result.reason) == (127, ExitReason.EXITED)
    assert "command" in result.message
    assert "no-such-program" in result.message


def test_program_not_executable(bench: Bench) -> None:
    result = bench.run("./text", files={"text": "no program"})
    assert (result.exit_code, result.reason) == (126, ExitReason.EXITED)
    assert "can't be executed" in result.message


@pytest.mark.parametrize("named", ["a.py", "./a.py", "/job/a.py"])
@once
@pytest.mark.parametrize("python", ["python", "python3"])
def test_script_of_the_job(bench: Bench, python: str, named: str) -> None:
    code = "import sys; print(sys.executable, sys.argv[1:])"
    result = bench.run(python, "-u", "-W", "ignore", named, "x", files={"a.py": code})
    assert result.stdout == f"{sys.executable} ['x']\n"


@pytest.mark.parametrize("named", ["sub/a.py", "/input/sub/a.py"])
def test_script_of_the_input(bench: Bench, named: str) -> None:
    def prepare(job: Started) -> None:
        (job.workspace.input / "sub").mkdir()
        (job.workspace.input / "sub" / "a.py").write_text("print('from the input')")

    assert bench.run("python", named, prepare=prepare).stdout == "from the input\n"


@once
@pytest.mark.parametrize(
    "options",
    [("-c",), ("-uc",), ("-Iuc",), ("-X", "utf8", "-c"), ("-Wignore", "-Xdev", "-c"), ("-cx=1;",)],
)
def test_options_that_replace_a_script(bench: Bench, options: tuple[str, ...]) -> None:
    result = bench.run("python", *options, "print('yes')")
    assert result.ok, result
    assert result.stdout == ("" if "-cx=1;" in options else "yes\n")


@once
def test_module_and_directory(bench: Bench) -> None:
    def prepare(job: Started) -> None:
        (job.workspace.job / "package").mkdir()
        (job.workspace.job / "package" / "__main__.py").write_text("print('main')")

    for command in (
        ("python", "-m", "package"),
        ("python", "package"),
        ("python", "--", "package"),
    ):
        assert bench.run(*command, prepare=prepare).stdout == "main\n", command


@linux_only
def test_environment_is_an_allow_list(bench: Bench, level: Isolation) -> None:
    result = bench.run("/usr/bin/env", "-0", environment={"ASKED": "for"})
    given = dict(entry.split("=", 1) for entry in result.stdout.rstrip("\0").split("\0"))
    mark = given.pop(MARK)
    root = Path(given["INPUT_DIR"]).parent
    assert (root == Path("/")) is (level is Isolation.NAMESPACES)
    assert given == {
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(root / "job"),
        "TMPDIR": str(root / "tmp"),
        "JOB_ID": f"job-{mark[:8]}",
        "INPUT_DIR": str(root / "input"),
        "OUTPUT_DIR": str(root / "output"),
        "ASKED": "for",
    }


def test_owners_secrets_are_nowhere(bench: Bench) -> None:
    assert SECRET in os.environ.values()
    result = bench.python(
        "import os\n"
        "pid = os.getpid()\n"
        "while pid > 1 and pid != int(os.environ['OWNER']):\n"
        "    try: print(open(f'/proc/{pid}/environ', 'rb').read())\n"
        "    except PermissionError: print('closed')\n"
        "    pid = int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])\n",
        environment={"OWNER": str(os.getpid())},
    )
    assert result.ok, result.stderr
    assert "LANG=" in result.stdout
    assert SECRET not in result.stdout


@linux_only
def test_process(report: dict[str, Any]) -> None:
    pid, session, group = report["ids"]
    assert pid == session == group
    assert report["cwd"] == report["environ"]["HOME"]
    assert report["umask"] == 0o022
    assert report["descriptors"] == [0, 1, 2]
    assert (report["stdin"], report["stdin_is_null"]) == ("", True)
    assert report["pipes"] == [True, True]
    assert report["no_new_privileges"] == "1"
    assert report["oom_score_adj"] == "1000"
    assert report["policy"] == os.SCHED_IDLE
    assert len(report["cores"]) == 1


#: Signals 32 and 33, which the C library lets nobody touch (nptl(7)).
C_LIBRARYS_OWN = 0b11 << 31


@linux_only
def test_signals_are_as_a_shell_would_leave_them(bench: Bench) -> None:
    result = bench.run("/bin/grep", "-E", "Sig(Ign|Blk)", "/proc/self/status")
    masks = [int(line.split()[1], 16) for line in result.stdout.splitlines()]
    assert [mask & ~C_LIBRARYS_OWN for mask in masks] == [0, 0]


@linux_only
def test_kernel_limits(report: dict[str, Any]) -> None:
    caps = report["limits"]
    assert caps["CORE"][1] <= 1
    assert caps["NOFILE"] == [1024, 1024]
    assert LIMITS.disk_bytes <= caps["FSIZE"][1] <= LIMITS.disk_bytes + MIB
    assert LIMITS.memory_bytes < caps["DATA"][1] <= 1.5 * LIMITS.memory_bytes
    assert caps["NPROC"][1] >= LIMITS.processes


@linux_only
def test_two_jobs_get_different_cores(bench: Bench) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        needs.miss("two cores")
    with bench.started_program("stubborn.py", "polite") as first:
        first.await_line("ready")
        (other,) = json.loads(bench.program("report.py").stdout)["cores"]
        assert {other} != os.sched_getaffinity(first.main)


@linux_only
def test_more_cores_than_there_are(bench: Bench) -> None:
    result = bench.program("report.py", limits=limits(cpus=512))
    assert set(json.loads(result.stdout)["cores"]) == os.sched_getaffinity(0)


def test_preparation_that_fails_is_our_fault(bench: Bench) -> None:
    result = bench.run("true", prepare=lambda job: job.workspace.job.rmdir())
    assert (result.reason, result.exit_code) == (ExitReason.INTERNAL, None)
    assert result.message.startswith("The job")
    assert "could not be" in result.message


def test_many_jobs_leave_nothing_behind(own_bench: Bench) -> None:
    """A hundred jobs through four threads: no descriptor, thread or zombie is left of them.

    The supervisor has one child more for each sandbox that waits, and what it knows it by: the
    connection to its keeper, or where it is the keeper itself, pipes, process and user.
    """
    level = own_bench.run("/bin/true").isolation
    each = SANDBOX_DESCRIPTORS if level is Isolation.NAMESPACES else 1
    supervisor = own_bench.executor._client.pid  # type: ignore[attr-defined]
    wait_until(lambda: len(_children(supervisor)) > 1)  # the warm Python and a parked sandbox
    before = _settled(supervisor, each)
    results: list[bool] = []

    def work() -> None:
        results.extend(own_bench.run("/bin/true").ok for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 100
    wait_until(lambda: _holdings(supervisor, each) == before, patience_s=10)
    assert len(_children(supervisor)) <= 1 + MOST_PARKED


def _settled(supervisor: int, each: int) -> tuple[int, ...]:
    """Return the holdings once nothing is being built: a sandbox comes by one thing at a time."""
    seen: list[tuple[int, ...]] = []
    while len(seen) < 10 or len(set(seen[-10:])) > 1:
        seen.append(_holdings(supervisor, each))
        time.sleep(0.05)
    return seen[-1]


def _holdings(supervisor: int, each: int) -> tuple[int, ...]:
    """Return descriptors and threads of ours, descriptors of the supervisor beyond its children."""
    theirs = len(os.listdir(f"/proc/{supervisor}/fd")) - each * len(_children(supervisor))
    return len(os.listdir("/proc/self/fd")), threading.active_count(), theirs


def _children(supervisor: int) -> list[str]:
    return Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
