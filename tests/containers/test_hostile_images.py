"""What an image, and the job in it, tries beyond what a container is for."""

from __future__ import annotations

import json
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers.conftest import POLICY
from support.engines import PLAIN, EngineProcess
from support.native_jobs import LIMITS, MIB, Bench, limits, wait_until

from node3nb import DockerManager
from node3nb.containers import ordering
from node3nb.containers.gpus import GpuGrant
from node3nb.containers.images import Image
from node3nb.containers.policy import ContainerPolicy
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import ExitReason, JobResult, JobSpec, Network, Requirements
from node3nb.supervisor.containers.container import Owner
from node3nb.supervisor.containers.ledger import Ledger
from node3nb.supervisor.containers.prepared import Waiting

HOSTILE = "docker.io/library/node3nb-hostile:1"
NO_GPUS = "NVIDIA_VISIBLE_DEVICES=void"
#: Removes a file, then writes to it; and leaves one that can be seen.
HOLD_REMOVED = (
    "import os, time\n"
    "held = open('{place}/x', 'wb', buffering=0)\n"
    "os.unlink('{place}/x')\n"
    "for _ in range({mib}): held.write(bytes(1 << 20))\n"
    "open('/output/seen', 'wb').write(bytes(40 << 20))\n"
    "time.sleep({wait_s})\n"
)


@pytest.fixture
def on_podman(podman: EngineProcess, tmp_path: Path) -> Iterator[Bench]:
    made = DockerManager(POLICY, hints=podman.hints, prepare=False)
    yield Bench(made, tmp_path)
    made.close()
    assert podman.containers() == []


def test_strangers_image_does_not_wait(dockerd: EngineProcess, bench: Bench) -> None:
    """Nobody watches what waits: it could fill the disk it is shown, and never end."""
    dockerd.load(dockerd.tar, HOSTILE)
    began = time.time()
    assert _run(bench, HOSTILE).ok
    _await_waiting(bench, dockerd)
    assert len(_events(dockerd, began, "start", image=_id(dockerd, HOSTILE))) == 1


def test_nothing_waits_with_the_hosts_network(dockerd: EngineProcess, bench: Bench) -> None:
    began = time.time()
    assert _run(bench, PLAIN, requirements=Requirements(network=Network.HOST)).ok
    _await_waiting(bench, dockerd)
    assert len(_events(dockerd, began, "connect", name="host")) == 1


def test_what_waits_ends(dockerd: EngineProcess, manager: DockerManager, tmp_path: Path) -> None:
    engine = manager.find().engine
    assert engine is not None
    whose = Owner("0" * 12, "0" * 16)
    ledger = Ledger(whose, str(tmp_path))
    waiting = Waiting(whose, ledger, life_s=0)
    with workspace.temporary(tmp_path, "work") as place:
        image = Image(_id(dockerd, PLAIN), PLAIN, 0, entrypoint=False, volumes=())
        spec = JobSpec(("python", "-c", "pass"), limits=LIMITS)
        granted = (image, GpuGrant())
        order = ordering.order(spec, place, engine, granted, prepare=True, asked_ns=0)
        began = time.time()
        waiting.prepare(order)
        wait_until(lambda: not dockerd.containers() and not list(tmp_path.glob("prepared-*")))
    assert len(_events(dockerd, began, "start")) == 1
    waiting.close()
    ledger.close()


def test_removed_file_counts(bench: Bench) -> None:
    code = HOLD_REMOVED.format(place="/output", mib=60, wait_s=20)
    result = bench.python(code, limits=limits(disk_bytes=64 * MIB))
    assert result.reason is ExitReason.DISK_LIMIT


def test_removed_file_in_tmp_is_memory(bench: Bench) -> None:
    code = HOLD_REMOVED.format(place="/tmp", mib=60, wait_s=2)
    assert bench.python(code, limits=limits(disk_bytes=64 * MIB)).ok


def test_nobody_asks_for_gpus_by_a_variable(dockerd: EngineProcess, tmp_path: Path) -> None:
    """Where NVIDIA's runtime is the usual one, it gives what the variable says."""
    dockerd.load(dockerd.tar, HOSTILE, "ENV NVIDIA_VISIBLE_DEVICES=all")
    policy = ContainerPolicy(default_image=HOSTILE, own_images=(HOSTILE.partition(":")[0],))
    manager = DockerManager(policy, hints=dockerd.hints)
    bench, asked = Bench(manager, tmp_path), {"NVIDIA_VISIBLE_DEVICES": "all"}
    with bench.started("sleep", "60", environment=asked) as job:
        wait_until(lambda: job.listener.running.is_set() or job.outcome.done())
        (running,) = dockerd.containers(**{"node3nb.job": job.spec.job_id})
        told = [_environment(dockerd, running["Id"])]
    _await_waiting(bench, dockerd)
    told += [_environment(dockerd, each["Id"]) for each in dockerd.containers()]
    manager.close()
    gpus = [[each for each in env if each.startswith("NVIDIA_")] for env in told]
    assert gpus == [[NO_GPUS], [NO_GPUS]]


@pytest.mark.parametrize(
    ("links", "changes"),
    [
        ({"link": "/output"}, ("VOLUME /link/a/b/c",)),
        ({"job": "/output/a/b/c"}, ()),
        ({"a": "b", "b": "output/x"}, ("VOLUME /a",)),
    ],
)
def test_link_where_mounts_go(
    dockerd: EngineProcess, bench: Bench, links: dict[str, str], changes: tuple[str, ...]
) -> None:
    """The engine would make root's directories where it leads: in what is the owner's."""
    dockerd.load(_with_links(dockerd.tar, bench.area, links), HOSTILE, *changes)
    for _ in range(2):
        _assert_refused_for_a_link(bench)


@pytest.mark.parametrize("link", ["etc/hosts", "link"])
def test_link_that_leads_nowhere_in_podman(
    podman: EngineProcess, on_podman: Bench, link: str
) -> None:
    tar = _with_links(podman.tar, on_podman.area, {link: "/output/a/b/c"})
    podman.load(tar, HOSTILE, "VOLUME /link")
    _assert_refused_for_a_link(on_podman)


@pytest.mark.parametrize("volume", ["/", "/proc", "/dev/x", "//sys/", "relative", "/x/../../proc"])
def test_volume_in_the_systems_place(dockerd: EngineProcess, bench: Bench, volume: str) -> None:
    dockerd.load(dockerd.tar, HOSTILE, f"VOLUME {volume}")
    result = _run(bench, HOSTILE)
    assert result.reason is ExitReason.REFUSED
    assert "The image has a volume at" in result.message


def _assert_refused_for_a_link(bench: Bench) -> None:
    with workspace.temporary(bench.area, "work") as place:
        result = bench.executor.run(JobSpec(("true",), image=HOSTILE), place, SilentReporter())
        assert list(place.output.iterdir()) == []
    assert result.reason is ExitReason.REFUSED
    assert "The image has a link at" in result.message


def _run(bench: Bench, image: str, **fields: Any) -> JobResult:
    with workspace.temporary(bench.area, "work") as place:
        spec = JobSpec(("python", "-c", "pass"), image=image, limits=LIMITS, **fields)
        return bench.executor.run(spec, place, SilentReporter())


def _await_waiting(bench: Bench, engine: EngineProcess) -> None:
    """Run a job after which a container waits, and wait for that."""
    assert bench.python("pass").ok
    wait_until(
        lambda: any(
            "json" in each["Command"] and each["State"] == "running" for each in engine.containers()
        )
    )


def _environment(engine: EngineProcess, container: str) -> list[str]:
    told: list[str] = engine.api.call("GET", f"/containers/{container}/json")["Config"]["Env"]
    return told


def _id(engine: EngineProcess, image: str) -> str:
    return str(engine.api.call("GET", f"/images/{image}/json")["Id"])


def _events(engine: EngineProcess, since: float, event: str, **attributes: str) -> list[Any]:
    """Return what has happened that has these attributes."""
    filters = json.dumps({"event": [event]})
    until = f"{time.time():.9f}"
    told = engine.api.stream("GET", "/events", since=f"{since:.9f}", until=until, filters=filters)
    wanted = attributes.items()
    return [each for each in told if wanted <= each["Actor"]["Attributes"].items()]


def _with_links(tar: Path, area: Path, links: dict[str, str]) -> Path:
    """Return a copy of an image's file system with links in it."""
    path = area / "links.tar"
    shutil.copy(tar, path)
    with tarfile.open(path, "a") as copy:
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            copy.addfile(entry)
    return path
