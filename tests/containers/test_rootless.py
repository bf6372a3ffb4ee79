"""A real rootless Podman of an ordinary user: what it says, and whose files its jobs leave."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import needs, reachable
from support.engines import PLAIN, Podman, image_tar

#: An account with subordinate users; .ci/run makes it.
ACCOUNT = "node3nb-rootless"
PROGRAM = Path(__file__).parents[1] / "programs" / "rootless_owner.py"


class RootlessPodman(Podman):
    """Podman's service, as an ordinary user: no overlays in the oldest kernels, so plain copies."""

    kind = "rootless podman"

    def __init__(self, images: Path, account: pwd.struct_passwd) -> None:
        super().__init__(images)
        self.account = account
        reachable.give(self.room, account.pw_uid)

    def as_user(self, *command: str) -> list[str]:
        uid = str(self.account.pw_uid)
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups", *command]

    def _command(self) -> list[str]:
        program, *words = super()._command()
        return self.as_user(program, "--storage-driver=vfs", *words)

    def _environment(self) -> dict[str, str]:
        home, run = self.account.pw_dir, str(self.room)
        return {**super()._environment(), "HOME": home, "XDG_RUNTIME_DIR": run}


@pytest.fixture(scope="module")
def told(image_room: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the program found as that user."""
    needs.program("newuidmap")
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        needs.miss(f"there is no account {ACCOUNT} with subordinate users; .ci/run makes it")
    if os.geteuid():
        needs.miss("becoming another user takes root")
    with RootlessPodman(image_room, account) as engine:
        place = engine.room / "package"
        place.mkdir()
        python = reachable.build(place)
        shutil.copy(PROGRAM, place / "program.py")
        (engine.room / "area").mkdir()
        reachable.give(engine.room / "area", account.pw_uid)
        engine.load(image_tar(image_room), PLAIN)
        asked = subprocess.run(
            engine.as_user(
                str(python),
                str(place / "program.py"),
                engine.hints.docker_host,
                PLAIN,
                str(engine.room / "area"),
            ),
            capture_output=True,
            check=False,
            env={
                "HOME": account.pw_dir,
                "NODE3_HOME": str(engine.room / "area" / "home"),
                "PYTHONPATH": str(place),
                "PATH": "/usr/bin:/bin",
            },
            text=True,
            timeout=100,
        )
        assert not asked.returncode, asked.stderr
        yield json.loads(asked.stdout)


def test_without_limits_it_is_not_used(told: dict[str, Any]) -> None:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists() and not told["refused"]:
        return  # what is delegated to its user limits its jobs
    assert "can't limit memory and processes" in told["refused"]
    assert "version 2" in told["refused"]


def test_outputs_are_the_owners(told: dict[str, Any]) -> None:
    assert told["ok"], told["message"]
    assert told["stdout"] == "0\n"
    assert "rootless" in told["layers"]
    assert told["owners"] == [told["user"]] * 2
    assert told["user"] != 0


def test_nothing_is_left(told: dict[str, Any]) -> None:
    assert told["left"] == ["home"]
