"""Engines that come, go, hang and are full: noticed, told, and no job is lost for good."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.conftest import POLICY, small_disk
from support import engines, needs
from support.engines import PLAIN, Dockerd, EngineProcess
from support.native_jobs import Bench, wait_until

from node3nb import DockerManager
from node3nb.config import EngineHints
from node3nb.containers import engine as engines_asked
from node3nb.containers import finder
from node3nb.executor import choose
from node3nb.jobs import ExitReason, JobSpec, JobState, Requirements

#: What is promised: an engine that comes or goes is noticed in so many seconds.
NOTICED_S = 30.0


@pytest.fixture(scope="module")
def engine(image_room: Path) -> Iterator[EngineProcess]:
    """A dockerd that may be killed."""
    with engines.running("docker", image_room) as running:
        yield running


@pytest.fixture
def manager(engine: EngineProcess) -> Iterator[DockerManager]:
    made = DockerManager(POLICY, hints=engine.hints)
    yield made
    made.close()


def test_killed_in_mid_job_and_started_again(
    engine: EngineProcess, manager: DockerManager, tmp_path: Path
) -> None:
    bench = Bench(manager, tmp_path)
    with bench.started_program("stubborn.py", "deaf") as job:
        job.await_line("ready")
        engine.kill()
        result = job.result()
        assert (result.reason, result.state) == (ExitReason.LOST, JobState.FAILED)
        assert "run again" in result.message
        assert not result.reason.jobs_own
        native = needs.native(None)
        try:
            choice = choose(JobSpec(("true",)), (manager, native))
            assert choice.executor is native
            assert "DOCKER_HOST does not answer" in choice.why
            only = JobSpec(("true",), requirements=Requirements(container=True))
            assert choose(only, (manager, native)).executor is None
        finally:
            native.close()
        engine.start()
        wait_until(lambda: not engine.containers(), NOTICED_S)
        wait_until(lambda: not job.trace.living())
    wait_until(lambda: manager.available().available, NOTICED_S)
    assert bench.run("true").ok


def test_run_without_an_engine_is_ours(tmp_path: Path) -> None:
    nowhere = DockerManager(hints=EngineHints(docker_host=f"unix://{tmp_path}/none.sock"))
    result = Bench(nowhere, tmp_path).run("true")
    assert (result.reason, result.executor) == (ExitReason.LOST, "")
    assert "DOCKER_HOST does not answer" in result.message


def test_engine_that_comes_later(engine: EngineProcess, tmp_path: Path) -> None:
    link = tmp_path / "late.sock"
    manager = DockerManager(POLICY, hints=EngineHints(docker_host=f"unix://{link}"))
    try:
        assert not manager.available().available
        link.symlink_to(engine.socket)
        wait_until(lambda: manager.available().available, NOTICED_S)
        assert Bench(manager, tmp_path).run("true").ok
    finally:
        manager.close()


def test_engine_that_hangs_is_not_waited_for(engine: EngineProcess) -> None:
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        _await_all_stopped(engine.pid)
        began = time.monotonic()
        available = DockerManager(POLICY, hints=engine.hints).available()
        took_s = time.monotonic() - began
    finally:
        os.kill(engine.pid, signal.SIGCONT)
    assert not available.available
    assert "does not answer" in available.reason
    assert took_s < NOTICED_S / 2


def test_engine_on_a_busy_machine_is_waited_for(
    engine: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers later than one must that nobody knows or has named."""
    monkeypatch.setattr(engines_asked, "PATIENT_PING_S", 60.0)
    manager = DockerManager(POLICY, hints=engine.hints)
    monkeypatch.setattr(finder, "FRESH_S", 0.0)
    for _ in ("named by its owner", "known already"):
        os.kill(engine.pid, signal.SIGSTOP)
        wakes = threading.Timer(engines_asked.PING_S + 1, os.kill, (engine.pid, signal.SIGCONT))
        wakes.start()
        try:
            assert manager.find().engine
        finally:
            wakes.join()


def test_fresh_for_less_than_promised() -> None:
    assert finder.FRESH_S + finder.PROGRAMS_S < NOTICED_S
    assert finder.FRESH_S + 2 * engines_asked.PATIENT_PING_S < NOTICED_S


def test_no_space_for_an_image(image_room: Path) -> None:
    """A real dockerd on a small file system: what it says of its full disk is passed on."""
    with small_disk("48m") as room, Dockerd(image_room, room) as small:
        with pytest.raises(subprocess.CalledProcessError) as failed:
            small.load(small.tar, PLAIN)
        assert b"no space left" in failed.value.stderr


def test_many_ask_at_once(engine: EngineProcess, manager: DockerManager) -> None:
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(manager.available().available))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8


def _await_all_stopped(pid: int) -> None:
    """Wait until every thread is stopped: until then one may still answer."""
    until = time.monotonic() + NOTICED_S
    tasks = Path(f"/proc/{pid}/task")
    while any(_state(task) not in "TtXZ" for task in tasks.iterdir()):
        assert time.monotonic() < until, "the engine is not stopped"
        time.sleep(0.01)


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
