"""However many jobs a container engine has run for us: nothing of them stays, there or here."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from containers.conftest import POLICY
from support.engines import EngineProcess
from support.native_jobs import Bench, wait_until

from node3nb import DockerManager

#: Jobs run by each thread, and threads.
EACH, THREADS = 12, 2


@pytest.fixture
def own_manager(dockerd: EngineProcess) -> Iterator[DockerManager]:
    made = DockerManager(POLICY, hints=dockerd.hints)
    yield made
    made.close()


def at_engine(engine: EngineProcess) -> dict[str, Any]:
    """Return what an engine has, and how many containers: one may wait for the next job."""
    call = engine.api.call
    return {
        "images": sorted(each["Id"] for each in call("GET", "/images/json", all=1)),
        "volumes": call("GET", "/volumes")["Volumes"],
        "networks": sorted(each["Id"] for each in call("GET", "/networks")),
        "containers": len(engine.containers()),
    }


def here(manager: DockerManager) -> tuple[int, int, int, int]:
    """Return descriptors and threads of ours, and of the process that owns the containers."""
    assert manager._client is not None
    owner = psutil.Process(manager._client.pid)
    ours = len(os.listdir("/proc/self/fd")), threading.active_count()
    return *ours, owner.num_fds(), owner.num_threads()


@pytest.mark.timeout(300)
def test_many_jobs_leave_nothing_behind(
    own_manager: DockerManager, dockerd: EngineProcess, tmp_path: Path
) -> None:
    bench = Bench(own_manager, tmp_path)
    assert bench.python("pass").ok
    wait_until(lambda: at_engine(dockerd)["containers"] == 1)
    before, held = at_engine(dockerd), here(own_manager)
    results: list[bool] = []

    def work() -> None:
        results.extend(bench.python("pass").ok for _ in range(EACH))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * EACH * THREADS
    wait_until(lambda: at_engine(dockerd) == before)
    wait_until(lambda: all(now <= then for now, then in zip(here(own_manager), held, strict=True)))
    own_manager.close()
    assert at_engine(dockerd) == {**before, "containers": 0}
