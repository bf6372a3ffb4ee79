"""Whoever dies, no container and no directory of a job stays; and nobody else's is touched."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.conftest import POLICY
from support.engines import PLAIN, EngineProcess
from support.native_jobs import LIMITS, Bench, printed, wait_until

from node3nb import DockerManager, config
from node3nb.errors import SupervisorLost
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import ExitReason, JobSpec
from node3nb.supervisor.containers import container, ledger
from node3nb.supervisor.containers.ledger import Ledger

PROGRAM = Path(__file__).parents[1] / "programs" / "container_owner.py"


class Owner:
    """A kernel of its own with a job in a container."""

    def __init__(self, engine: EngineProcess, area: Path) -> None:
        self.engine, self.area = engine, area
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, engine.hints.docker_host, PLAIN, str(area)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        state, pid = self.process.stdout.readline().split()
        assert state == "running"
        #: The process that owns its containers.
        self.supervisor = int(pid)

    def running(self) -> list[str]:
        return [
            each["Id"] for each in self.engine.containers() if each["Command"].startswith("sleep")
        ]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def owner(dockerd: EngineProcess, tmp_path: Path) -> Iterator[Owner]:
    """A kernel whose job runs; its containers are gone after the test."""
    made = Owner(dockerd, tmp_path)
    yield made
    made.end()
    wait_until(lambda: not dockerd.containers())


def test_kernel_killed(owner: Owner) -> None:
    assert len(owner.running()) == 1
    owner.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not owner.engine.containers())
    wait_until(lambda: not os.path.exists(f"/proc/{owner.supervisor}"))
    wait_until(lambda: not list(owner.area.iterdir()))


def test_kernel_stopped_at_the_keyboard(owner: Owner) -> None:
    owner.process.send_signal(signal.SIGINT)
    wait_until(lambda: not owner.engine.containers())


def test_both_killed_and_swept_by_the_next(owner: Owner) -> None:
    os.kill(owner.process.pid, signal.SIGSTOP)
    os.kill(owner.supervisor, signal.SIGKILL)
    os.kill(owner.process.pid, signal.SIGKILL)
    owner.process.wait()
    assert len(owner.running()) == 1
    manager = DockerManager(POLICY, hints=owner.engine.hints)
    try:
        assert manager.available().available
        wait_until(lambda: not owner.running())
    finally:
        manager.close()


def test_two_providers_leave_each_other_alone(owner: Owner, tmp_path: Path) -> None:
    (before,) = owner.running()
    manager = DockerManager(POLICY, hints=owner.engine.hints)
    try:
        assert Bench(manager, tmp_path / "other").run("true").ok
    finally:
        manager.close()
    assert owner.running() == [before]
    assert owner.process.poll() is None


def test_strangers_container_with_our_label(owner: Owner) -> None:
    """Of another owner, who may have the same engine: its labels name another home."""
    labels = {"node3nb.provider": "0123456789ab", "node3nb.home": "of somebody else"}
    body = {"Image": PLAIN, "Cmd": ["true"], "Labels": labels}
    made = owner.engine.api.call("POST", "/containers/create", body)["Id"]
    manager = DockerManager(POLICY, hints=owner.engine.hints)
    try:
        assert Bench(manager, owner.area / "other").run("true").ok
        assert made in {each["Id"] for each in owner.engine.containers()}
    finally:
        manager.close()
        owner.engine.api.call("DELETE", f"/containers/{made}")


def test_supervisor_killed(bench: Bench, manager: DockerManager, dockerd: EngineProcess) -> None:
    with bench.started_program("stubborn.py", "deaf") as job:
        job.await_line("ready")
        assert manager._client is not None
        os.kill(manager._client.pid, signal.SIGKILL)
        with pytest.raises(SupervisorLost):
            job.result()
    assert bench.run("true").ok
    left = {"node3nb.job": job.spec.job_id}
    wait_until(lambda: not dockerd.containers(**left))


def test_a_killed_supervisor_leaves_no_lock(manager: DockerManager) -> None:
    """Also when it had no container by which its successor would know of it."""
    assert manager.available().available
    killed = manager._client
    assert killed is not None
    left = next(config.container_locks_dir().glob("*.lock"))
    os.kill(killed.pid, signal.SIGKILL)
    wait_until(lambda: not killed.alive)
    assert manager.available().available
    wait_until(lambda: not left.exists())
    assert len(list(config.container_locks_dir().glob("*.lock"))) == 1


def test_a_lock_is_held_that_was_swept_while_it_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "0123456789ab.lock"
    real, sweeps = fcntl.flock, [path.unlink]

    def swept(lock: int, how: int) -> None:
        real(lock, how)
        while sweeps:
            sweeps.pop()()

    monkeypatch.setattr(ledger.fcntl, "flock", swept)
    own, other = (
        Ledger(container.Owner(name, "home"), str(tmp_path))
        for name in ("0123456789ab", "ba9876543210")
    )
    other.sweep(str(tmp_path / "none.sock"))
    assert path.exists()
    for each in (own, other):
        each.close()
    assert list(tmp_path.iterdir()) == []


def test_container_removed_by_somebody(bench: Bench, dockerd: EngineProcess) -> None:
    with bench.started_program("stubborn.py", "deaf") as job:
        job.await_line("ready")
        (found,) = dockerd.containers(**{"node3nb.job": job.spec.job_id})
        dockerd.api.call("DELETE", f"/containers/{found['Id']}", force=1)
        result = job.result()
    assert result.reason is ExitReason.LOST
    assert "Somebody removed" in result.message


def test_close_ends_everything(dockerd: EngineProcess, tmp_path: Path) -> None:
    manager = DockerManager(POLICY, hints=dockerd.hints)
    bench = Bench(manager, tmp_path)
    with bench.started_program("daemons.py", "leaves", "stay") as job:
        job.await_line("ready")
        manager.close()
        assert job.result().reason is ExitReason.LOST
        assert job.trace.living() == []
    assert dockerd.containers() == []


def test_prepared_container_is_the_next_jobs(bench: Bench, dockerd: EngineProcess) -> None:
    """It waits, is taken once, sees the job's files, and is not there after the end."""
    code = "print(open('/input/in').read()); open('/output/out', 'w').write('left')"
    assert bench.python("pass").ok
    taken = 0
    for number in range(20):
        wait_until(lambda: any("json" in each["Command"] for each in dockerd.containers()))
        waiting = {each["Id"] for each in dockerd.containers()}
        with workspace.temporary(bench.area, f"work-{number}") as place:
            (place.input / "in").write_text(str(number))
            spec = JobSpec(("python", "-c", code), limits=LIMITS)
            result = bench.executor.run(spec, place, SilentReporter())
            assert (place.output / "out").read_text() == "left"
        assert printed(result) == f"{number}\n"
        taken += not waiting & {each["Id"] for each in dockerd.containers()}
        if taken == 2:
            return
    pytest.fail("what waits was never taken")
