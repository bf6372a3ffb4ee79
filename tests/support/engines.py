"""Real engines for tests: a dockerd and a podman of our own, on sockets nobody else knows."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
from support import needs
from support.doomed import doomed

from node3nb.config import EngineHints
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone

#: Seconds an engine gets to answer: far beyond what it takes, on the slowest machine.
START_S = 60.0
#: What every image of ours is told to look for programs in.
SETTINGS = ("ENV PATH=/usr/local/bin:/usr/bin:/bin",)
#: The image jobs name, and one no registry has.
PLAIN, LOCAL = "python:3.11-slim", "node3nb-test/python:1"
#: The image with what the sample jobs need.
SCIENCE = "node3nb-test/science:1"
SCIENCE_PACKAGES = ("numpy", "pillow", "scikit-learn")
_MAKE = Path(__file__).parent / "python_image.py"


class EngineProcess(ABC):
    """An engine that runs as our child; a context manager that ends it and what it keeps."""

    kind: str

    def __init__(self, images: Path, room: Path | None = None) -> None:
        self._images = images
        #: Directory of all it has; a short path, for the sockets in it.
        self.room = room or Path(tempfile.mkdtemp(prefix="n3e-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.room / "engine.sock"

    @property
    def hints(self) -> EngineHints:
        """What an environment would say that names it."""
        return EngineHints(docker_host=f"unix://{self.socket}")

    @property
    def api(self) -> EngineAPI:
        return EngineAPI(str(self.socket))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = self._run(self._command())
        until = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, (self.room / "log").read_text()[-2000:]
            assert time.monotonic() < until, "the engine does not answer"
            time.sleep(0.05)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with open(self.room / "log", "ab") as log:
            return subprocess.Popen(
                doomed(command, signal.SIGTERM),  # so that it ends its containers first
                cwd=self.room,
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it as a crash would; its containers go on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as its owner would."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
            self.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.remove_all()
        self.stop()
        self._clean_up()
        shutil.rmtree(self.room, ignore_errors=True)

    def containers(self, **labels: str) -> list[dict[str, Any]]:
        """Return the containers there are, running or not."""
        wanted = [f"{name}={value}" for name, value in labels.items()]
        found = self.api.call(
            "GET", "/containers/json", all=1, filters=json.dumps({"label": wanted})
        )
        assert isinstance(found, list)
        return found

    def remove_all(self) -> None:
        for each in self.containers():
            self.api.call("DELETE", f"/containers/{each['Id']}", force=1, v=1)

    @property
    def tar(self) -> Path:
        """The file system of our plain image."""
        return image_tar(self._images)

    def have(self, *names: str, modules: tuple[str, ...] = ()) -> None:
        """Import our image under these names, if it is not there."""
        if self._has(names[0]):
            return
        tar = image_tar(self._images, modules)
        self.load(tar, names[0])
        for name in names[1:]:
            self.tag(names[0], name)

    def load(self, tar: Path, name: str, *changes: str) -> None:
        """Make an image of a tar, as `docker import` does."""
        command = ["docker", "--host", f"unix://{self.socket}", "import"]
        for change in (*SETTINGS, *changes):
            command += ["--change", change]
        subprocess.run([*command, str(tar), name], check=True, capture_output=True)

    def tag(self, name: str, other: str) -> None:
        self._docker("tag", name, other)

    def _has(self, name: str) -> bool:
        return bool(self._docker("images", "--quiet", name).strip())

    def _docker(self, *words: str) -> str:
        command = ["docker", "--host", f"unix://{self.socket}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _answers(self) -> bool:
        try:
            self.api.call("GET", "/_ping", timeout_s=2)
        except EngineGone:
            return False
        return True

    @abstractmethod
    def _command(self) -> list[str]:
        """Return how it is started."""

    def _environment(self) -> dict[str, str]:
        return {}

    def _clean_up(self) -> None:
        """End what is left of its containers, and take away what it leaves mounted."""
        for process in psutil.process_iter(["cmdline"]):
            if f"{self.room}/" in " ".join(process.info["cmdline"] or ()):
                process.kill()
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            place = line.split()[4]
            if place.startswith(f"{self.room}/"):
                subprocess.run(["umount", "-l", place], check=False, capture_output=True)


class Dockerd(EngineProcess):
    """Docker's daemon, without a network of its own."""

    kind = "docker"

    #: Containerd runs beside it, as where a system starts both: it outlives a dockerd that is
    #: killed, with the containers.
    CONF = (
        'version = 2\nroot = "{room}/images"\nstate = "{room}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        '[grpc]\naddress = "{room}/containerd.sock"\n'
    )

    def __init__(self, images: Path, room: Path | None = None) -> None:
        super().__init__(images, room)
        self._containerd: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start both."""
        if self._containerd is None:
            (self.room / "containerd.toml").write_text(self.CONF.format(room=self.room))
            config = f"--config={self.room / 'containerd.toml'}"
            self._containerd = self._run([needs.program("containerd"), config])
            until = time.monotonic() + START_S
            while not (self.room / "containerd.sock").exists():
                assert time.monotonic() < until, "containerd does not start"
                time.sleep(0.02)
        super().start()

    def kill(self) -> None:
        """End dockerd as a crash would."""
        super().kill()
        (self.room / "pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End both."""
        super().stop()
        if self._containerd is not None:
            self._containerd.kill()
            self._containerd.wait()

    def _command(self) -> list[str]:
        return [
            needs.program("dockerd"),
            f"--host=unix://{self.socket}",
            f"--containerd={self.room / 'containerd.sock'}",
            f"--data-root={self.room / 'data'}",
            f"--exec-root={self.room / 'exec'}",
            f"--pidfile={self.room / 'pid'}",
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
        ]


class Podman(EngineProcess):
    """Podman's service, as root."""

    kind = "podman"
    #: crun 1.8 refuses a machine whose control groups are of both versions; and nobody here may
    #: raise a limit on processes or open files.
    CONF = (
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )

    def _command(self) -> list[str]:
        needs.program("catatonit")
        (self.room / "containers.conf").write_text(self.CONF)
        return [
            needs.program("podman"),
            f"--root={self.room / 'data'}",
            f"--runroot={self.room / 'run'}",
            "system",
            "service",
            "--time=0",
            f"unix://{self.socket}",
        ]

    def _environment(self) -> dict[str, str]:
        return {"CONTAINERS_CONF": str(self.room / "containers.conf")}


ENGINES: dict[str, type[EngineProcess]] = {"docker": Dockerd, "podman": Podman}


@contextlib.contextmanager
def running(kind: str, images: Path) -> Iterator[EngineProcess]:
    """Give an engine of our own with our image in it; missing is a skip, or a failure in CI."""
    if sys.platform != "linux" or os.geteuid():
        needs.miss("an engine of our own takes root on Linux")
    needs.program("docker")
    with ENGINES[kind](images) as engine:
        engine.have(PLAIN, LOCAL)
        yield engine


def image_tar(directory: Path, modules: tuple[str, ...] = ()) -> Path:
    """Return the tar of our image, made once for all workers of a run."""
    path = directory / f"{'-'.join(('python', *modules))}.tar"
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = f"{path}.part"
            subprocess.run([sys.executable, str(_MAKE), part, *modules], check=True)
            os.rename(part, path)
    return path
