"""Where an engine is found, and in which order it is believed.

Real here: the engine, a dockerd of our own, and its socket.  Not real: `limactl` and `colima`,
stubs that print what the programs' own sources say they print (the fields named in
`containers/sources/lima.py` and `colima.py`), and the virtual machines they speak of.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
import sys
from pathlib import Path

import pytest
from support.engines import PLAIN, EngineProcess
from support.native_jobs import Bench, wait_until

from node3nb import DockerManager
from node3nb.config import EngineHints, engine_hints
from node3nb.containers.engine import EngineUnfit, examine
from node3nb.containers.finder import NO_ENGINE, Finder
from node3nb.containers.policy import ContainerPolicy
from node3nb.containers.sources import lima
from node3nb.containers.sources.candidate import Candidate, from_url


@pytest.fixture
def hints(tmp_path: Path) -> EngineHints:
    """An environment with nothing in it."""
    for name in ("home", "run", "root", "bin", "docker"):
        (tmp_path / name).mkdir()
    return EngineHints(
        docker_config=tmp_path / "docker",
        runtime_dir=tmp_path / "run",
        home=tmp_path / "home",
        root=tmp_path / "root",
        program_path=str(tmp_path / "bin"),
    )


def link(place: Path, engine: EngineProcess) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(engine.socket)


def context(hints: EngineHints, name: str, host: str, *, current: bool = True) -> None:
    meta = hints.docker_config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    told = {"Name": name, "Endpoints": {"docker": {"Host": host}}}
    (meta / "meta.json").write_text(json.dumps(told))
    if current:
        (hints.docker_config / "config.json").write_text(json.dumps({"currentContext": name}))


def stub(hints: EngineHints, name: str, answers: dict[str, str]) -> Path:
    """Put a program on the path that prints what belongs to its arguments, and notes them."""
    program = Path(hints.program_path) / name
    said = program.with_suffix(".said")
    program.write_text(
        f"#!{sys.executable}\nimport sys\nwords = ' '.join(sys.argv[1:])\n"
        f"open({str(said)!r}, 'a').write(words + '\\n')\n"
        f"answers = {answers!r}\nprint(answers.get(words, ''))\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return said


def source(hints: EngineHints) -> str:
    found = Finder(hints).find()
    return found.engine.source if found.engine else found.reason


def test_nothing(hints: EngineHints) -> None:
    assert source(hints) == NO_ENGINE


def test_order(hints: EngineHints, dockerd: EngineProcess, tmp_path: Path) -> None:
    """From the last that is believed to the first."""
    assert hints.runtime_dir is not None
    link(hints.root / "run/podman/podman.sock", dockerd)
    assert source(hints) == "Podman"
    link(hints.runtime_dir / "podman/podman.sock", dockerd)
    assert source(hints) == "rootless Podman"
    link(hints.runtime_dir / "docker.sock", dockerd)
    assert source(hints) == "rootless Docker"
    link(hints.root / "var/run/docker.sock", dockerd)
    assert source(hints) == "default socket"
    context(hints, "mine", f"unix://{dockerd.socket}")
    assert source(hints) == "docker context mine"
    named = dataclasses.replace(hints, docker_host=f"unix://{dockerd.socket}")
    assert source(named) == "DOCKER_HOST"


def test_named_engine_is_the_only_one(hints: EngineHints, dockerd: EngineProcess) -> None:
    link(hints.root / "var/run/docker.sock", dockerd)
    gone = dataclasses.replace(hints, docker_host="unix:///nowhere/engine.sock")
    assert source(gone).startswith("DOCKER_HOST does not answer")


def test_dead_socket_is_passed_over(hints: EngineHints, dockerd: EngineProcess) -> None:
    assert hints.runtime_dir is not None
    (hints.root / "var/run").mkdir(parents=True)
    (hints.root / "var/run/docker.sock").touch()
    link(hints.runtime_dir / "docker.sock", dockerd)
    assert source(hints) == "rootless Docker"


def test_context_that_is_named(hints: EngineHints, dockerd: EngineProcess) -> None:
    context(hints, "other", f"unix://{dockerd.socket}", current=False)
    assert source(hints) == NO_ENGINE
    assert source(dataclasses.replace(hints, docker_context="other")) == "docker context other"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"currentContext": "gone"}', '{"auths": {}}'])
def test_settings_that_say_nothing(hints: EngineHints, content: str) -> None:
    (hints.docker_config / "config.json").write_text(content)
    assert Finder(hints).find().engine is None


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:2375", "ssh://me@there", "npipe:////./pipe/x"])
def test_only_unix_sockets(url: str) -> None:
    found = from_url("It", url)
    assert found.socket is None
    assert "unix://" in found.problem


@pytest.mark.parametrize("shape", ["lines", "indented", "list"])
def test_lima(hints: EngineHints, dockerd: EngineProcess, tmp_path: Path, shape: str) -> None:
    link(tmp_path / "docker-vm/sock/docker.sock", dockerd)
    instances = [
        {"name": "old", "status": "Stopped", "dir": str(tmp_path / "old"), "arch": "aarch64"},
        {"name": "docker", "status": "Running", "dir": str(tmp_path / "docker-vm"), "cpus": 4},
    ]
    indent = 2 if shape == "indented" else None
    lines = "\n".join(json.dumps(each, indent=indent) for each in instances)
    stub(hints, "limactl", {"list --json": json.dumps(instances) if shape == "list" else lines})
    assert source(hints) == "Lima instance docker"
    manager = DockerManager(ContainerPolicy(default_image=PLAIN), hints=hints)
    try:
        engine = manager.find().engine
        assert engine is not None
        assert not engine.same_kernel
        result = Bench(manager, tmp_path).python(
            "b = b'x' * (60 << 20); import time; time.sleep(3)"
        )
        assert result.ok
        assert result.usage.peak_memory_bytes > 60 << 20, "by the engine's own statistics"
        assert result.usage.cpu_s > 0
    finally:
        manager.close()


def test_lima_is_started_only_when_that_is_allowed(hints: EngineHints, tmp_path: Path) -> None:
    told = json.dumps({"name": "docker", "status": "Stopped", "dir": str(tmp_path)})
    said = stub(hints, "limactl", {"list --json": told})
    assert "run `limactl start docker`" in source(hints)
    assert "start" not in said.read_text().split()
    Finder(hints, start_lima=True).find()
    wait_until(lambda: "start --tty=false docker" in said.read_text())


def test_lima_that_runs_is_not_started(hints: EngineHints, tmp_path: Path) -> None:
    told = json.dumps({"name": "docker", "status": "Running", "dir": str(tmp_path)})
    stub(hints, "limactl", {"list --json": told})
    assert not lima.start_stopped(hints)
    assert "no engine's socket is forwarded" in source(hints)


def test_colima(hints: EngineHints, dockerd: EngineProcess) -> None:
    profiles = [
        {"name": "k8s", "status": "Running", "arch": "aarch64", "runtime": "containerd"},
        {"name": "default", "status": "Running", "arch": "aarch64", "runtime": "docker"},
    ]
    status = {
        "display_name": "colima",
        "driver": "macOS Virtualization.Framework",
        "runtime": "docker",
        "docker_socket": f"unix://{dockerd.socket}",
    }
    stub(
        hints,
        "colima",
        {
            "list --json": "\n".join(map(json.dumps, profiles)),
            "status --json --profile default": json.dumps(status),
        },
    )
    assert source(hints) == "Colima profile default"


def test_colima_that_is_stopped(hints: EngineHints) -> None:
    stub(hints, "colima", {"list --json": json.dumps({"name": "default", "status": "Stopped"})})
    assert "run `colima start default`" in source(hints)


@pytest.mark.parametrize("output", ["", "not json", "{", "[1, 2]", '"text"'])
def test_program_that_says_nonsense(hints: EngineHints, output: str) -> None:
    stub(hints, "limactl", {"list --json": output})
    assert source(hints) == NO_ENGINE


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///here")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    hints = engine_hints()
    assert (hints.docker_host, hints.docker_config) == ("unix:///here", tmp_path)
    assert hints.runtime_dir == Path("/run/user/7")


def test_something_else_at_a_socket(tmp_path: Path) -> None:
    with pytest.raises(EngineUnfit, match="does not answer"):
        examine(Candidate("It", tmp_path))


def test_facts_for_the_doctor(hints: EngineHints, podman: EngineProcess) -> None:
    found = Finder(dataclasses.replace(hints, docker_host=f"unix://{podman.socket}")).find()
    assert found.engine is not None
    facts = found.engine.facts()
    assert facts["engine"].startswith("Podman ")
    assert facts["rootless"] is bool(os.getuid())
    assert facts["cgroup_version"] in {0, 1, 2}
    assert facts["storage_driver"]
    assert facts["gpu_runtimes"] == []
