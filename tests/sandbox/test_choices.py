"""What owners and submitters may choose: level, network, preloaded modules, fresh interpreters."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import needs
from support.native_jobs import linux_only, wait_until

from node3nb import JobSpec, NativeExecutor, config, supervisor_client
from node3nb.errors import ExecutorError, IsolationError
from node3nb.executor import SilentReporter, choose
from node3nb.files import workspace
from node3nb.jobs import (
    MIB,
    ExitReason,
    Isolation,
    JobResult,
    Network,
    Requirements,
    ResourceLimits,
    Start,
)
from node3nb.supervisor import level
from node3nb.supervisor.berth import Blueprint
from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import Setup

pytestmark = linux_only
#: Prints the modules that were there before the program.
LOADED = "import sys; print('fractions' in sys.modules)"
INTERFACES = "import os; print(sorted(os.listdir('/proc/sys/net/ipv4/conf')))"
YOUNG_WARM = Path(__file__).parents[1] / "support" / "native_young_warm.py"
_WANTED = supervisor_client._wanted
Run = Callable[..., JobResult]


@pytest.fixture(scope="module")
def executor() -> Iterator[NativeExecutor]:
    needs.native(Isolation.NAMESPACES)
    executor = NativeExecutor(preload=("fractions", "no_such_module"))
    yield executor
    executor.close()


@pytest.fixture
def run(executor: NativeExecutor, tmp_path: Path) -> Run:
    def run(*command: str, **fields: object) -> JobResult:
        with workspace.temporary(tmp_path, "work") as place:
            spec = JobSpec(command, **fields)  # type: ignore[arg-type]
            return executor.run(spec, place, SilentReporter())

    return run


def test_preloaded_module_is_there(run: Run) -> None:
    wait_until(lambda: run("python", "-c", LOADED).stdout == "True\n")


def test_preloaded_module_with_threads_of_its_own_is_there(tmp_path: Path) -> None:
    """A process with threads can neither join a mount namespace nor be cloned as it is."""
    executor = NativeExecutor(preload=("numpy",))

    def loaded() -> bool:
        with workspace.temporary(tmp_path, "work") as place:
            spec = JobSpec(("python", "-c", "import sys; print('numpy' in sys.modules)"))
            return executor.run(spec, place, SilentReporter()).stdout == "True\n"

    try:
        wait_until(loaded)
    finally:
        executor.close()


def test_what_loaded_modules_have_read_is_read_again(run: Run) -> None:
    """A numerical library reads its threads when it is loaded: a job that sets them is fresh."""
    wait_until(lambda: run("python", "-c", LOADED).stdout == "True\n")
    assert run("python", "-c", LOADED, environment={"OMP_NUM_THREADS": "1"}).stdout == "False\n"


def test_a_fresh_interpreter_has_none(run: Run) -> None:
    assert run("python", "-c", LOADED, start=Start.EXEC).stdout == "False\n"


def test_own_network_has_nothing_but_itself(run: Run) -> None:
    result = run("python", "-c", INTERFACES)
    assert "eth0" not in result.stdout
    assert "lo" in result.stdout


def test_hosts_network(run: Run) -> None:
    wanted = Requirements(network=Network.HOST)
    shown = run("python", "-c", INTERFACES, requirements=wanted).stdout
    assert shown == f"{sorted(os.listdir('/proc/sys/net/ipv4/conf'))}\n"


def test_hosts_names_come_with_its_network(run: Run) -> None:
    wanted = Requirements(network=Network.HOST)
    there = Path("/etc/hosts").read_text()
    assert run("cat", "/etc/hosts", requirements=wanted).stdout == there
    assert run("cat", "/etc/hosts").stdout != there


def test_hosts_network_for_many_jobs_after_one_another(run: Run) -> None:
    """The files a job has in the place of the host's go with it: there is room for the next's."""
    wanted = Requirements(network=Network.HOST)
    for _ in range(60):
        result = run("true", requirements=wanted)
        assert result.ok, result


def test_warm_python_is_renewed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All jobs of one share its hash seed: more jobs than one may bear show two."""
    monkeypatch.setattr(supervisor_client, "PROGRAM", YOUNG_WARM)
    executor = NativeExecutor()
    seeds = set()
    try:
        for number in range(60):
            with workspace.temporary(tmp_path, f"work-{number}") as place:
                spec = JobSpec(("python", "-c", "print(hash('node3nb'))"))
                seeds.add(executor.run(spec, place, SilentReporter()).stdout)
    finally:
        executor.close()
    # The first jobs may have started in interpreters of their own.
    assert 2 < len(seeds) < 60


@pytest.mark.parametrize("memory_bytes", [1, 31 * MIB])
def test_less_memory_than_an_interpreter_needs(
    run: Run, executor: NativeExecutor, memory_bytes: int
) -> None:
    limits = ResourceLimits(memory_bytes=memory_bytes)
    result = run("true", limits=limits)
    assert result.reason is ExitReason.REFUSED
    assert "32 MiB" in result.message
    choice = choose(JobSpec(("true",), limits=limits), (executor,))
    assert choice.executor is None
    assert "32 MiB" in choice.why


def test_level_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node3nb.supervisor_client._wanted", _at_most_limits)
    executor = NativeExecutor(Isolation.NAMESPACES)
    with pytest.raises(IsolationError, match=r"namespaces can't be had here: .*; ask for limits"):
        executor.available()


def _at_most_limits(
    area: str, isolation: str | None, preload: tuple[str, ...]
) -> dict[str, object]:
    del isolation
    return _WANTED(area, "limits", preload)


def test_result_names_its_layers(run: Run) -> None:
    assert run("true").layers[:3] == ("namespaces", "landlock", "seccomp")


def test_no_level_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What makes every trial fail is an error, not the weakest level."""
    (tmp_path / "work").touch()
    monkeypatch.setattr(config, "work_dir", lambda: tmp_path / "work")
    with pytest.raises(ExecutorError, match="No job can run here"):
        NativeExecutor().available()


@needs.lacking(os.geteuid() != 0, "root's own case")
def test_root_without_own_users_needs_landlock() -> None:
    """Without rights root's user still owns /proc/sys, which only Landlock closes then."""
    setup = Setup("limits", "none", Plan((), (), ""), 0, False, 0, True, False)
    base = Blueprint(setup, None, None, own_user=False, area="/nowhere")
    with pytest.raises(level.TrialFailed, match="a user of their own, or Landlock"):
        level._blueprint("namespaces", base, "/nowhere", own_user=False)
