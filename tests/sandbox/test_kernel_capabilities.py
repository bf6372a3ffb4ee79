"""Capabilities, given away by children."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from support.forked import (
    ROOT_AND_STRANGER,
    STRANGER,
    error_of,
    forked,
    linux_only,
    root_only,
)

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import capabilities, namespaces

pytestmark = linux_only

SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def held(pid: str = "self") -> dict[str, int]:
    """Return the sets of capabilities of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name], 16) for name in SETS}


def of_a_program() -> dict[str, int]:
    """Return the sets that a program has which is started now."""
    status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, check=True).stdout
    fields = dict(line.split(":", 1) for line in status.decode().splitlines())
    return {name: int(fields[name], 16) for name in SETS}


@root_only
def test_root_has_none_and_its_programs_get_none() -> None:
    def tried() -> tuple[dict[str, int], dict[str, int]]:
        capabilities.drop_all()
        return held(), of_a_program()

    nothing = dict.fromkeys(SETS, 0)
    assert forked(tried) == (nothing, nothing)


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_root_of_its_own_namespace_has_none(uid: int) -> None:
    def tried() -> tuple[dict[str, int], dict[str, int]]:
        namespaces.new_user(0)
        capabilities.drop_all()
        return held(), of_a_program()

    nothing = dict.fromkeys(SETS, 0)
    assert forked(tried, uid=uid) == (nothing, nothing)


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_twice_is_as_good_as_once(uid: int) -> None:
    def tried() -> dict[str, int]:
        capabilities.drop_all()
        capabilities.drop_all()
        return held()

    sets = forked(tried, uid=uid)
    assert not any(value for name, value in sets.items() if name != "CapBnd")


@root_only
def test_another_user_for_good() -> None:
    def tried() -> tuple[tuple[int, ...], tuple[int, ...], list[int], dict[str, int], int]:
        capabilities.become(STRANGER, STRANGER + 1)
        back = error_of(lambda: os.setuid(0))
        return os.getresuid(), os.getresgid(), os.getgroups(), held(), back

    uids, gids, groups, sets, back = forked(tried)
    assert set(uids) == {STRANGER}
    assert set(gids) == {STRANGER + 1}
    assert groups == []
    assert sets == dict.fromkeys(SETS, 0)
    assert back == errno.EPERM


def test_an_ordinary_user_becomes_nobody_else() -> None:
    def tried() -> int:
        return error_of(lambda: capabilities.become(STRANGER + 1, STRANGER + 1))

    assert forked(tried, uid=STRANGER) == errno.EPERM


@root_only
def test_a_set_user_id_program_gives_none(tmp_path: Path) -> None:
    def tried() -> dict[str, int]:
        capabilities.become(STRANGER, STRANGER)
        capabilities.drop_all()
        linux.forbid_new_privileges()
        status = subprocess.run([program, "/proc/self/status"], capture_output=True, check=True)
        fields = dict(line.split(":", 1) for line in status.stdout.decode().splitlines())
        return {"Uid": int(fields["Uid"].split()[1])} | {n: int(fields[n], 16) for n in SETS}

    tmp_path.chmod(0o755)
    program = tmp_path / "cat"
    program.write_bytes(Path("/bin/cat").read_bytes())
    program.chmod(0o4755)
    assert forked(tried) == {"Uid": STRANGER} | dict.fromkeys(SETS, 0)
