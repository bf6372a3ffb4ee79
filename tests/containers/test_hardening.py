"""What the engine was really asked for, read back from it, and what a job finds."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.conftest import POLICY
from support.engines import PLAIN, EngineProcess
from support.native_jobs import MIB, Bench, Started, limits, printed

from node3nb import DockerManager
from node3nb.config import EngineHints
from node3nb.containers import ordering
from node3nb.containers.engine import Engine
from node3nb.containers.gpus import Gpus
from node3nb.containers.images import Image
from node3nb.errors import JobRefused
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.hardware import Gpu
from node3nb.jobs import GIB, ExitReason, JobResult, JobSpec, Network, Requirements
from node3nb.supervisor.containers import hardened
from node3nb.supervisor.containers.hardened import Places

ANY_ENGINE = Engine(
    source="", socket="", kind="docker", version="", identity="", data="", rootless=False,
    cgroup_version=2, storage_driver="", gpu_runtimes=(), seccomp=True, selinux=False,
    init=True, same_kernel=True,
)  # fmt: skip
CAPS = limits(memory_bytes=256 * MIB, processes=50, cpus=0.5)


@pytest.fixture
def running(bench: Bench) -> Iterator[Started]:
    with bench.started_program("stubborn.py", "polite", limits=CAPS) as job:
        job.await_line("ready")
        yield job


def test_everything_is_denied_by_default(
    dockerd: EngineProcess, running: Started, manager: DockerManager
) -> None:
    (found,) = dockerd.containers(**{"node3nb.job": running.spec.job_id})
    told = dockerd.api.call("GET", f"/containers/{found['Id']}/json")
    host = told["HostConfig"]
    expected = {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "CapAdd": None,
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "IpcMode": "private",
        "Init": True,
        "Memory": 256 * MIB,
        "MemorySwap": 256 * MIB,
        "NanoCpus": 500_000_000,
        "PidsLimit": 51,
        "OomScoreAdj": 1000,
        "LogConfig": {"Type": "none", "Config": {}},
        "Binds": None,
        "VolumesFrom": None,
    }
    assert {name: host[name] for name in expected} == expected
    assert set(found["Labels"]) == {"node3nb.provider", "node3nb.job", "node3nb.home"}
    mounts = {each["Destination"]: each["RW"] for each in told["Mounts"]}
    assert mounts == {"/input": False, "/output": True, "/job": True}
    assert told["Config"]["Cmd"] == ["python", "/job/stubborn.py", "polite"]


def test_a_job_has_no_rights(bench: Bench) -> None:
    code = (
        "import os\n"
        "status = dict(l.split(':', 1) for l in open('/proc/self/status'))\n"
        "print(status['CapEff'].strip(), status['CapBnd'].strip(), status['Seccomp'].strip())\n"
        "print(os.getuid() != 0, os.path.exists('/var/run/docker.sock'))\n"
    )
    zero = "0" * 16
    assert printed(bench.python(code)).split() == [zero, zero, "2", "True", "False"]


def test_no_volume_and_no_network_is_made(dockerd: EngineProcess, bench: Bench) -> None:
    before = _networks(dockerd)
    dockerd.load(dockerd.tar, "docker.io/library/node3nb-volumes:1", "VOLUME /data")
    result = _run(bench, "node3nb-volumes:1", "python", "-c", "open('/data/x', 'w')")
    assert result.ok, result
    assert not dockerd.api.call("GET", "/volumes")["Volumes"]
    assert _networks(dockerd) == before == {"host", "none"}


@pytest.mark.parametrize("place", ["/output/x", "/job", "/../input//y"])
def test_volume_in_the_jobs_own_place(dockerd: EngineProcess, bench: Bench, place: str) -> None:
    """The engine would make a directory of root's in what is the owner's."""
    dockerd.load(dockerd.tar, "docker.io/library/node3nb-inside:1", f"VOLUME {place}")
    result = _run(bench, "node3nb-inside:1", "true")
    assert result.reason is ExitReason.REFUSED
    assert "the job's own place" in result.message


def test_the_image_is_in_the_result(dockerd: EngineProcess, bench: Bench) -> None:
    told = dockerd.api.call("GET", f"/images/{PLAIN}/json")
    assert bench.run("true").image == (told["RepoDigests"] or [told["Id"]])[0]


def test_entrypoint_of_the_image_is_respected(dockerd: EngineProcess, bench: Bench) -> None:
    dockerd.load(dockerd.tar, "docker.io/library/node3nb-entry:1", 'ENTRYPOINT ["echo", "begins"]')
    result = _run(bench, "node3nb-entry:1", "python", "a b")
    assert printed(result) == "begins python a b\n"


def test_entrypoint_that_is_missing(dockerd: EngineProcess, bench: Bench) -> None:
    dockerd.load(
        dockerd.tar, "docker.io/library/node3nb-noentry:1", 'ENTRYPOINT ["/no/such/entry"]'
    )
    result = _run(bench, "node3nb-noentry:1", "python")
    assert (result.reason, result.exit_code) == (ExitReason.EXITED, 127)
    assert "entrypoint" in result.message


def test_image_of_no_bytes(dockerd: EngineProcess, bench: Bench) -> None:
    dockerd.load(_empty_tar(bench.area), "docker.io/library/node3nb-empty:1")
    result = _run(bench, "node3nb-empty:1", "python", "-c", "1")
    assert (result.reason, result.exit_code) == (ExitReason.EXITED, 127)
    assert "'python' was not found" in result.message


def test_hosts_network(bench: Bench) -> None:
    code = "import os; print(sorted(os.listdir('/proc/sys/net/ipv4/conf')))"
    needs = Requirements(network=Network.HOST)
    result = _run(bench, PLAIN, "python", "-c", code, requirements=needs)
    assert printed(result) == f"{sorted(os.listdir('/proc/sys/net/ipv4/conf'))}\n"


def test_request_for_gpus(dockerd: EngineProcess, tmp_path: Path) -> None:
    """No GPU here: what is asked for is read back from a real dockerd, which finds no driver."""
    two = (Gpu("A", "NVIDIA", 8 * GIB), Gpu("B", "NVIDIA", 24 * GIB))
    gpus = Gpus(lambda: two)
    needs = Requirements(gpus=1, gpu_memory_bytes=16 * GIB)
    manager = DockerManager(POLICY, hints=dockerd.hints, gpus=gpus)
    engine = manager.find().engine
    assert engine is not None
    try:
        with gpus.lent(needs, engine) as grant, workspace.temporary(tmp_path, "asked") as place:
            image = Image(PLAIN, PLAIN, 0, entrypoint=False, volumes=())
            spec = JobSpec(("true",), requirements=needs)
            order = ordering.order(spec, place, engine, (image, grant), prepare=False, asked_ns=0)
            places = Places(order.input, order.output, order.work)
            body = hardened.request(order, places, "1000:1000", {})
            made = dockerd.api.call("POST", "/containers/create", body)["Id"]
            told = dockerd.api.call("GET", f"/containers/{made}/json")
            dockerd.api.call("DELETE", f"/containers/{made}")
            with pytest.raises(JobRefused, match="other jobs have the GPUs"):
                gpus.lent(needs, engine).__enter__()
        result = _run(Bench(manager, tmp_path), PLAIN, "true", requirements=needs)
    finally:
        manager.close()
    (request,) = told["HostConfig"]["DeviceRequests"]
    assert (request["Driver"], request["DeviceIDs"]) == ("nvidia", ["1"])
    assert request["Capabilities"] == [["gpu"]]
    assert result.reason is ExitReason.INTERNAL
    assert "device driver" in result.message


def test_rocm_devices(tmp_path: Path) -> None:
    (tmp_path / "kfd").touch()
    (tmp_path / "dri").mkdir()
    (tmp_path / "dri" / "renderD128").touch()
    engine = dataclasses.replace(ANY_ENGINE)
    gpus = Gpus(tuple, tmp_path)
    with gpus.lent(Requirements(gpus=1), engine) as grant:
        assert grant.devices == ("/dev/kfd", "/dev/dri")
        assert grant.groups == (str((tmp_path / "kfd").stat().st_gid),)


@pytest.mark.parametrize(
    ("kind", "runtimes", "devices", "requests"),
    [
        ("podman", (), ("nvidia.com/gpu=0",), 0),
        ("docker", ("cdi",), (), {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}),
    ],
)
def test_gpus_by_cdi(
    kind: str, runtimes: tuple[str, ...], devices: tuple[str, ...], requests: object
) -> None:
    engine = dataclasses.replace(ANY_ENGINE, kind=kind, gpu_runtimes=runtimes)
    with Gpus(lambda: (Gpu("A", "NVIDIA", GIB),)).lent(Requirements(gpus=1), engine) as grant:
        assert grant.devices == devices
        assert grant.device_requests == ((requests,) if requests else ())


def test_no_gpu_here(bench: Bench) -> None:
    result = _run(bench, PLAIN, "true", requirements=Requirements(gpus=1))
    assert result.reason is ExitReason.REFUSED
    assert "this machine has none" in result.message


def test_engine_elsewhere_is_no_engine() -> None:
    found = DockerManager(hints=EngineHints(docker_host="tcp://192.0.2.1:2375")).available()
    assert not found.available
    assert "DOCKER_HOST names an engine by tcp://" in found.reason


def _networks(engine: EngineProcess) -> set[str]:
    return {each["Name"] for each in engine.api.call("GET", "/networks")}


def _run(bench: Bench, image: str, *command: str, **fields: object) -> JobResult:
    with workspace.temporary(bench.area, f"work-{len(command)}") as place:
        spec = JobSpec(command, image=image, **fields)  # type: ignore[arg-type]
        return bench.executor.run(spec, place, SilentReporter())


def _empty_tar(directory: Path) -> Path:
    path = directory / "empty.tar"
    path.write_bytes(bytes(1024))
    return path
