"""What the attacks aim at: real files, processes, services of the owner, and another job."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from security.services import Services
from security.shared_memory import Queue, SystemV

from node3nb.files.removal import remove_tree

#: Seconds an effect of an attack gets to show.
NOTICE_S = 0.25
VICTIM = Path(__file__).with_name("victim.py")


class Targets:
    """One set of targets; judges what attacks have brought home and left behind.

    Parameters
    ----------
    place
        An empty directory of this user's.
    other
        Output and temporary directory of the other running job.
    """

    def __init__(self, place: Path, other: dict[str, str]) -> None:
        self._stack = contextlib.ExitStack()
        self.token = secrets.token_hex(8)
        self.place = place
        self.other = other
        self.home = place / "home"
        self._write_files()
        self.services = self._keep(Services(place, f"n3-{self.token}"))
        self._system_v = self._keep(SystemV(secrets.randbits(30) | 1, self.secret("system_v")))
        self._queue = self._keep(Queue(f"n3-{self.token}", self.secret("queue")))
        self._master, self._terminal = os.openpty()
        for fd in (self._master, self._terminal):
            self._stack.callback(os.close, fd)
        os.set_blocking(self._master, False)
        self._victim, self._told = self._start_victim("victim")
        self._prey, prey = self._start_victim("prey")
        self._prey_pid = prey["pid"]

    def close(self) -> None:
        self._stack.close()

    def secret(self, name: str) -> str:
        """Return the secret of one target, new in every run."""
        return f"secret-{name}-{self.token}"

    def coordinates(self) -> dict[str, Any]:
        """Return what the attacks are told: where everything is, no secret."""
        return {
            "token": self.token,
            "home": str(self.home),
            "connection_file": str(self._connection_file),
            "host_tmp_file": str(self._host_tmp_file),
            "host_shm_file": str(self._host_shm_file),
            "site_packages": str(self._planted_module),
            "other": {name: self.other[name] for name in ("output", "tmp")},
            "victim": self._told,
            "prey": self._prey_pid,
            "tcp": self.services.tcp,
            "udp": self.services.udp,
            "unix": self.services.unix,
            "datagram": self.services.datagram,
            "abstract": self.services.abstract,
            "system_v_key": self._system_v.key,
            "queue": self._queue.name,
            "terminal": os.ttyname(self._terminal),
        }

    def loot(self) -> dict[str, str]:
        """Return what each attack that steals would bring home."""
        return {
            "read_home": self.secret("key"),
            "list_home": "id_ed25519",
            "guess_names": f"{len(self.secret('key'))} bytes",
            "read_connection_file": self.secret("connection"),
            "read_host_tmp": self.secret("tmp"),
            "read_host_shm": self.secret("shm"),
            "read_through_proc": self.secret("key"),
            "read_other_output": self.other["OTHER_OUTPUT"],
            "read_other_tmp": self.other["OTHER_TMP"],
            "read_other_environ": self.other["OTHER_SECRET"],
            "read_environ": self.secret("environ"),
            "list_command_lines": self.secret("argument"),
            "read_memory": self.secret("memory"),
            "read_memory_by_call": self.secret("memory"),
            "take_descriptor": self.secret("descriptor"),
            "read_inherited_environment": os.environ["OWNER_ENVIRONMENT"],
            "system_v_memory": self.secret("system_v"),
            "posix_queue": self.secret("queue"),
        }

    def marks(self) -> dict[str, bool]:
        """Return whether each attack that leaves a mark has left it."""
        time.sleep(NOTICE_S)
        heard = self.services.heard() + self._shown()
        said = {
            name: f"{self.token}:{name};".encode() in heard
            for name in (
                "tcp_to_host",
                "fast_open_to_host",
                "udp_to_host",
                "unix_path",
                "unix_abstract",
                "unix_by_pair",
                "write_terminal",
            )
        }
        return said | {
            "change_mode": stat.S_IMODE(os.stat(self._key).st_mode) == 0o666,
            "change_times": not os.stat(self._key).st_mtime,
            "change_attributes": "user.n3" in os.listxattr(self._key),
            "write_home": (self.home / "planted").exists(),
            "write_startup_file": self.token in (self.home / ".bashrc").read_text(),
            "write_host_tmp": _planted(self._host_tmp_file).exists(),
            "write_host_shm": _planted(self._host_shm_file).exists(),
            "write_site_packages": self._planted_module.exists(),
            "write_other_output": (Path(self.other["output"]) / "planted").exists(),
            "signal_other_job": (Path(self.other["output"]) / "signalled").exists(),
            "signal_everybody": (self.place / "victim-signalled").exists(),
            "kill_owner": self._prey.poll() is not None,
        }

    def _keep(self, closing: Any) -> Any:
        self._stack.callback(closing.close)
        return closing

    def _write_files(self) -> None:
        self._key = self.home / ".ssh" / "id_ed25519"
        self._connection_file = self.place / "runtime" / "kernel-1.json"
        self._host_tmp_file = Path(f"/tmp/n3-{self.token}")
        self._host_shm_file = Path(f"/dev/shm/n3-{self.token}")
        self._planted_module = Path(sysconfig.get_path("purelib")) / f"n3_{self.token}.txt"
        for path, name in (
            (self._key, "key"),
            (self._connection_file, "connection"),
            (self._host_tmp_file, "tmp"),
            (self._host_shm_file, "shm"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.secret(name))
        (self.home / ".bashrc").touch()
        for path in (self._host_tmp_file, self._host_shm_file):
            self._stack.callback(path.unlink, missing_ok=True)
            self._stack.callback(_planted(path).unlink, missing_ok=True)
        self._stack.callback(self._planted_module.unlink, missing_ok=True)
        self._stack.callback(remove_tree, self.place)

    def _start_victim(self, name: str) -> tuple[subprocess.Popen[str], dict[str, int]]:
        noted = str(self.place / f"{name}-signalled")
        command = [sys.executable, str(VICTIM), noted, f"--token={self.secret('argument')}"]
        victim = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"OWNER_SECRET": self.secret("environ")},
        )
        self._stack.enter_context(victim)
        self._stack.callback(victim.kill)
        assert victim.stdin is not None
        assert victim.stdout is not None
        told = {each: self.secret(each) for each in ("memory", "descriptor")}
        victim.stdin.write(json.dumps(told) + "\n")
        victim.stdin.flush()
        return victim, json.loads(victim.stdout.readline())

    def _shown(self) -> bytes:
        """Return what the terminal has been told to show."""
        try:
            return os.read(self._master, 1 << 16)
        except OSError:
            return b""


def _planted(path: Path) -> Path:
    return path.with_name(path.name + "-planted")


@contextlib.contextmanager
def stand(place: Path, other: dict[str, str]) -> Iterator[Targets]:
    """Make targets and take them away at the end."""
    place.mkdir()
    targets = Targets(place, other)
    try:
        yield targets
    finally:
        targets.close()
