"""Landlock on real processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from support import needs
from support.forked import (
    ROOT_AND_STRANGER,
    STRANGER,
    error_of,
    errors_of,
    forked,
    linux_only,
    sleeping,
)

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import calls, capabilities, landlock
from node3nb.supervisor.kernel.landlock import Ruleset

pytestmark = [
    linux_only,
    needs.lacking(not landlock.abi(), "the kernel has no Landlock"),
]

#: Versions of Landlock.
WITH_TCP, WITH_SCOPES = 4, 6


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that everybody may write in, with a file, a program and a directory."""
    tmp_path.chmod(0o777)
    (tmp_path / "file").write_text("text")
    (tmp_path / "program").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "directory").mkdir()
    for path in tmp_path.iterdir():
        path.chmod(0o777)
    return tmp_path


def ruled(fill: Callable[[Ruleset], object], *, deny_network: bool = False) -> None:
    rules = Ruleset(deny_network=deny_network)
    for path in ("/usr", "/lib", "/lib64", "/bin"):
        rules.allow_executing(path)
    fill(rules)
    capabilities.drop_all()
    linux.forbid_new_privileges()
    rules.enforce()


def uses(place: Path) -> dict[str, Callable[[], object]]:
    """Return what may be done in a directory."""
    return {
        "list": lambda: os.listdir(place),
        "read": (place / "file").read_text,
        "write": lambda: (place / "file").write_text("other"),
        "truncate": lambda: os.truncate(place / "file", 0),
        "run": lambda: subprocess.run([place / "program"], check=True),
        "make a file": lambda: (place / "new").write_text(""),
        "make a directory": (place / "made").mkdir,
        "make a link": lambda: (place / "link").symlink_to("file"),
        "make a pipe": lambda: os.mkfifo(place / "pipe"),
        "move": lambda: os.rename(place / "new", place / "directory" / "moved"),
        "remove a file": (place / "file").unlink,
        "remove a directory": (place / "made").rmdir,
    }


#: What each grant leaves of those uses; nothing else works.
GRANTS: dict[str, tuple[Callable[[Ruleset, str], object], set[str]]] = {
    "nothing": (lambda _rules, _path: None, set()),
    "reading": (Ruleset.allow_reading, {"list", "read"}),
    "executing": (Ruleset.allow_executing, {"list", "read", "run"}),
    "writing": (Ruleset.allow_writing, set(uses(Path()))),
}


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
@pytest.mark.parametrize("grant", GRANTS)
def test_a_directory(grant: str, uid: int, place: Path) -> None:
    allow, works = GRANTS[grant]

    def tried() -> list[int]:
        ruled(lambda rules: allow(rules, str(place)))
        return errors_of(uses(place).values())

    errors = dict(zip(uses(place), forked(tried, uid=uid), strict=True))
    assert {name for name, error in errors.items() if not error} == works
    refused = {error for name, error in errors.items() if name not in works}
    assert refused <= {errno.EACCES, errno.ENOENT, errno.EXDEV}


@pytest.mark.parametrize("grant", ["reading", "writing", "executing"])
def test_a_file(grant: str, place: Path) -> None:
    def tried() -> list[int]:
        ruled(lambda rules: GRANTS[grant][0](rules, str(place / "file")))
        named = uses(place)
        return errors_of((named["read"], named["write"], named["remove a file"]))

    write = 0 if grant == "writing" else errno.EACCES
    assert forked(tried) == [0, write, errno.EACCES]


def test_no_devices_are_made_where_one_may_write(place: Path) -> None:
    def tried() -> int:
        rules = Ruleset(deny_network=False)
        rules.allow_writing(str(place))
        linux.forbid_new_privileges()
        rules.enforce()
        return error_of(lambda: os.mknod(place / "null", 0o020666, os.makedev(1, 3)))

    assert forked(tried) == errno.EACCES


def test_a_device(place: Path) -> None:
    def tried() -> list[int]:
        master, terminal = os.openpty()
        name = os.ttyname(terminal)
        ruled(lambda rules: rules.allow_device(name))
        used = os.open(name, os.O_RDWR | os.O_NOCTTY)
        return errors_of(
            (
                lambda: os.write(used, b"x"),
                lambda: fcntl.ioctl(used, termios.TIOCGWINSZ, bytes(8)),
                lambda: os.close(os.open("/dev/null", os.O_RDWR)),
                lambda: os.close(master),
            )
        )

    assert forked(tried) == [0, 0, errno.EACCES, 0]


def test_what_does_not_exist_is_passed_over(place: Path) -> None:
    def tried() -> None:
        rules = Ruleset(deny_network=False)
        rules.allow_writing(str(place / "nowhere"))
        rules.allow_reading(str(place / "file" / "below a file"))
        rules.close()

    forked(tried)


def test_nothing_of_it_stays_open() -> None:
    def tried() -> tuple[set[str], set[str]]:
        before = set(os.listdir("/proc/self/fd"))
        rules = Ruleset(deny_network=True)
        rules.allow_reading("/usr")
        rules.allow_reading("/proc")
        linux.forbid_new_privileges()
        rules.enforce()
        return before, set(os.listdir("/proc/self/fd"))

    before, after = forked(tried)
    assert before == after


def test_is_refused_to_who_may_gain_privileges() -> None:
    def tried() -> int:
        return error_of(Ruleset(deny_network=False).enforce)

    assert forked(tried, uid=STRANGER) == errno.EPERM


@needs.lacking(landlock.abi() < WITH_TCP, "Landlock without network")
@pytest.mark.parametrize("deny", [True, False])
def test_connections(deny: bool) -> None:
    def tried() -> list[int]:
        with socket.socket() as server, socket.socket() as other:
            server.bind(("127.0.0.1", 0))
            server.listen()
            ruled(lambda _rules: None, deny_network=deny)
            return errors_of(
                (
                    lambda: socket.create_connection(server.getsockname()).close(),
                    lambda: other.bind(("127.0.0.1", 0)),
                )
            )

    assert forked(tried) == [errno.EACCES if deny else 0] * 2


@needs.lacking(landlock.abi() < WITH_SCOPES, "Landlock without scopes")
@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_signals_stay_inside(uid: int) -> None:
    def tried() -> list[int]:
        victim = sleeping()
        watched = os.pidfd_open(victim)
        ruled(lambda _rules: None)
        return errors_of(
            (
                lambda: os.kill(victim, 0),
                lambda: os.kill(victim, signal.SIGTERM),
                lambda: signal.pidfd_send_signal(watched, signal.SIGTERM),
                lambda: os.kill(os.getpid(), 0),
            )
        )

    assert forked(tried, uid=uid) == [errno.EPERM] * 3 + [0]


@needs.lacking(landlock.abi() < WITH_SCOPES, "Landlock without scopes")
def test_abstract_sockets_stay_inside() -> None:
    name = f"\0n3-{os.getpid()}"

    def tried() -> list[int]:
        ruled(lambda _rules: None)
        with socket.socket(socket.AF_UNIX) as outside, socket.socket(socket.AF_UNIX) as own:
            own.bind(f"{name}-own")
            own.listen()
            with socket.socket(socket.AF_UNIX) as inside:
                return errors_of(
                    (lambda: outside.connect(name), lambda: inside.connect(f"{name}-own"))
                )

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        assert forked(tried) == [errno.EPERM, 0]


@pytest.mark.parametrize(
    ("version", "rights", "length"),
    [(1, 13, 8), (2, 14, 8), (3, 15, 8), (4, 15, 16), (5, 16, 16), (6, 16, 24), (8, 16, 24)],
)
def test_an_older_kernel_is_asked_for_what_it_knows(
    version: int, rights: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def create(*arguments: object) -> int:
        asked.append(arguments)
        return 0

    monkeypatch.setattr(landlock, "abi", lambda: version)
    monkeypatch.setattr(landlock, "call", create)
    Ruleset(deny_network=True)
    ((_, attributes, told, _),) = asked
    assert isinstance(attributes, bytes)
    assert (len(attributes), told) == (length, length)
    assert int.from_bytes(attributes[:8], sys.byteorder) == (1 << rights) - 1


def test_no_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(calls.NUMBERS, "landlock_create_ruleset")
    landlock.abi.cache_clear()
    try:
        assert landlock.abi() == 0
        with pytest.raises(OSError, match="landlock_create_ruleset"):
            Ruleset(deny_network=False)
    finally:
        landlock.abi.cache_clear()
