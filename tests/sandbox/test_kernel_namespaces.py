"""Namespaces, entered by children."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from support.forked import (
    ROOT_AND_STRANGER,
    STRANGER,
    error_of,
    forked,
    linux_only,
    root_only,
    sleeping,
)

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import capabilities, namespaces

pytestmark = linux_only

NAMES = {
    "mnt": namespaces.NEWNS,
    "cgroup": namespaces.NEWCGROUP,
    "uts": namespaces.NEWUTS,
    "ipc": namespaces.NEWIPC,
    "user": namespaces.NEWUSER,
    "net": namespaces.NEWNET,
    "pid_for_children": namespaces.NEWPID,
}


def identity(name: str) -> str:
    return os.readlink(f"/proc/self/ns/{name}")


def own_user() -> int:
    """Return what an ordinary user has to add to get any other namespace."""
    return namespaces.NEWUSER if os.geteuid() else 0


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
@pytest.mark.parametrize("name", NAMES)
def test_each_kind_is_new(name: str, uid: int) -> None:
    def tried() -> str:
        namespaces.unshare(own_user() | NAMES[name])
        if name == "pid_for_children":
            sleeping()  # there is none before it has a process
        return identity(name)

    assert forked(tried, uid=uid) != identity(name)


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_one_user_is_mapped_and_no_other(uid: int) -> None:
    def tried() -> tuple[int, int, int, int]:
        namespaces.new_user(1000)
        groups = error_of(lambda: os.setgroups([]))
        return os.getuid(), os.getgid(), error_of(lambda: os.setuid(0)), groups

    refused = (errno.EINVAL, errno.EPERM)
    assert forked(tried, uid=uid) == (1000, 1000, *refused)


def test_a_namespace_within_a_namespace() -> None:
    def tried() -> tuple[int, int]:
        namespaces.new_user(1000)
        namespaces.new_user(7)
        return os.getuid(), os.getgid()

    assert forked(tried, uid=STRANGER) == (7, 7)


def test_a_refusal_names_the_file() -> None:
    def tried() -> str:
        linux.hide_from_peers()  # what is in /proc of it is root's now
        with pytest.raises(PermissionError) as caught:
            namespaces.new_user(1000)
        return str(caught.value.filename)

    assert forked(tried, uid=STRANGER) == "/proc/self/uid_map"


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_loopback_is_all_there_is(uid: int) -> None:
    def tried() -> tuple[int, list[str], int]:
        namespaces.unshare(own_user() | namespaces.NEWNET)
        before = error_of(_talk_to_itself)
        namespaces.raise_loopback()
        return before, [name for _, name in socket.if_nameindex()], error_of(_talk_to_itself)

    before, names, after = forked(tried, uid=uid)
    assert (before, after) == (errno.ENETUNREACH, 0)
    assert "lo" in names
    assert not {name for name in names if name.startswith(("eth", "en", "wl"))}


def _talk_to_itself() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_a_name_of_its_own(uid: int) -> None:
    def tried() -> str:
        namespaces.unshare(own_user() | namespaces.NEWUTS)
        namespaces.set_hostname("another")
        return socket.gethostname()

    host = socket.gethostname()
    assert forked(tried, uid=uid) == "another"
    assert socket.gethostname() == host


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_one_is_joined_by_who_holds_it(uid: int) -> None:
    def tried() -> tuple[str, str]:
        kinds = {"user": namespaces.NEWUSER} if os.geteuid() else {}
        kinds["mnt"] = namespaces.NEWNS
        report, told = os.pipe()
        if not (maker := os.fork()):
            namespaces.unshare(sum(kinds.values()))
            os.write(told, identity("mnt").encode())
            os.read(report, 0)
            sleeping()
            os.wait()
        there = os.read(report, 100).decode()
        held = {name: namespaces.open_namespace(maker, name) for name in kinds}
        os.kill(maker, 9)
        for name, fd in held.items():
            assert not os.get_inheritable(fd)
            namespaces.join(fd, kinds[name])
        return there, identity("mnt")

    there, here = forked(tried, uid=uid)
    assert there == here != identity("mnt")


def test_another_kind_is_not_joined() -> None:
    def tried() -> int:
        held = namespaces.open_namespace(os.getpid(), "mnt")
        return error_of(lambda: namespaces.join(held, namespaces.NEWNET))

    assert forked(tried) == errno.EINVAL


@root_only
def test_without_capabilities_nothing_is_new() -> None:
    def tried() -> int:
        capabilities.drop_all()
        return error_of(lambda: namespaces.unshare(namespaces.NEWNS))

    assert forked(tried) == errno.EPERM
