"""Who runs the provider, where, and at which level; each scenario is a room of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from security.entries import Setting
from security.table import LANDLOCK, LIMITS, NAMESPACES
from support import needs, reachable

#: An ordinary user made for the test: no name, no group, no file but what the test gives them.
ORDINARY = 23456
#: Seconds a room gets: far above what it takes.
PATIENCE_S = 110
#: The level that the executor finds by itself.
FOUND = ""
#: Programs that take powers from what they start.
CONTAINER, NO_GROUPS = "containerlike.py", "no_control_groups.py"
NO_USER_NAMESPACES = "no_user_namespaces.py"
ONLY_BUBBLEWRAP, ONLY_SETUID = "only_bubblewrap.py", "only_setuid_bubblewrap.py"
CONFINING = (CONTAINER, NO_GROUPS, NO_USER_NAMESPACES, ONLY_BUBBLEWRAP, ONLY_SETUID)
#: Those that need root, and become the user themselves.
CHANGING_USER = (CONTAINER, ONLY_BUBBLEWRAP, ONLY_SETUID)
SUPPORT = Path(reachable.__file__).parent


@dataclass(frozen=True, slots=True)
class Scenario:
    """One room of attacks."""

    #: Short name, for the tests' ids.
    name: str
    #: Level the jobs must run at.
    level: str
    #: Whether root runs the provider.
    root: bool
    #: Whether the level is forced, or has to be found.
    forced: bool = True
    #: Program in `tests/support` that takes powers away first, if any.
    confined_by: str = ""
    #: Whether the provider's Python lies where only root can go.
    own_python: bool = False


SCENARIOS = (
    Scenario("root-namespaces", NAMESPACES, root=True),
    Scenario("root-namespaces-no-groups", NAMESPACES, root=True, confined_by=NO_GROUPS),
    Scenario("user-namespaces", NAMESPACES, root=False),
    Scenario("user-bubblewrap", NAMESPACES, root=False, forced=False, confined_by=ONLY_BUBBLEWRAP),
    Scenario("user-setuid-bubblewrap", NAMESPACES, root=False, confined_by=ONLY_SETUID),
    Scenario("root-landlock", LANDLOCK, root=True),
    Scenario("root-landlock-own-python", LANDLOCK, root=True, own_python=True),
    Scenario("user-landlock", LANDLOCK, root=False),
    Scenario("root-limits", LIMITS, root=True),
    Scenario("user-limits", LIMITS, root=False),
    Scenario("root-container", LANDLOCK, root=True, forced=False, confined_by=CONTAINER),
    Scenario("user-container", LANDLOCK, root=False, forced=False, confined_by=CONTAINER),
    Scenario(
        "no-user-namespaces",
        LANDLOCK,
        root=False,
        forced=False,
        confined_by=NO_USER_NAMESPACES,
    ),
)


class Room:
    """What came of all attacks in one scenario."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.found: dict[str, dict[str, str]] = report["found"]
        self.plain: dict[str, dict[str, str]] = report["plain"]
        self.level: str = report["isolation"]
        self.missing: dict[str, str] = report["missing"]
        self.setting = Setting(self.level, report["root"], frozenset(report["layers"]))

    def plain_outcome(self, name: str) -> str:
        """Return what comes of an attack where nothing stops it; "" where that is not tried."""
        return self.plain.get(name, {}).get("outcome", "")


class House:
    """Runs each scenario's room once, when it is first asked for."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._rooms: dict[str, Room | str] = {}
        self._python: Path | None = None

    def room(self, scenario: Scenario) -> Room:
        """Return what came of the attacks; skip what this user can't try."""
        if scenario.name not in self._rooms:
            self._rooms[scenario.name] = self._enter(scenario)
        room = self._rooms[scenario.name]
        if isinstance(room, str):
            pytest.fail(room)
        return room

    def _enter(self, scenario: Scenario) -> Room | str:
        uid = 0 if scenario.root else ORDINARY
        if os.geteuid() and (scenario.root or scenario.confined_by in CHANGING_USER):
            needs.miss("needs root")
        area = self._place / f"area-{scenario.name}"
        area.mkdir(mode=0o711)
        if not os.geteuid():
            os.chown(area, uid, uid)
            reachable.give(self._shared_python().parent.parent, uid)
        command = [*self._confinement(scenario, uid), *self._command(scenario, area)]
        try:
            return self._run(command, scenario, area, uid)
        except subprocess.TimeoutExpired as late:
            return f"{scenario.name}: {late}"

    def _run(self, command: list[str], scenario: Scenario, area: Path, uid: int) -> Room | str:
        told = self._place / f"{scenario.name}.err"
        changes_user = not os.geteuid() and scenario.confined_by not in CHANGING_USER
        who = {"user": uid, "group": uid, "extra_groups": ()} if changes_user else {}
        with told.open("wb") as stderr:
            ran = subprocess.run(  # type: ignore[call-overload]
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._environment(area),
                cwd="/",
                timeout=PATIENCE_S,
                check=False,
                **who,
            )
        if ran.returncode:
            return f"{scenario.name}: {told.read_text()[-2000:]}"
        return Room(json.loads(ran.stdout))

    def _environment(self, area: Path) -> dict[str, str]:
        return {
            "PYTHONPATH": str(self._place),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NODE3_HOME": str(area),
        }

    def _command(self, scenario: Scenario, area: Path) -> list[str]:
        level = scenario.level if scenario.forced else FOUND
        return [self._interpreter(scenario), "-m", "security.room", str(area), level]

    def _interpreter(self, scenario: Scenario) -> str:
        return sys.executable if scenario.own_python else str(self._shared_python())

    def _shared_python(self) -> Path:
        """Return the Python that every user can run."""
        if self._python is None:
            self._python = reachable.build(self._place)
        return self._python

    def _confinement(self, scenario: Scenario, uid: int) -> list[str]:
        if not scenario.confined_by:
            return []
        for name in CONFINING:
            shutil.copyfile(SUPPORT / name, self._place / name)
        who = [str(uid)] if scenario.confined_by in CHANGING_USER else []
        return [self._interpreter(scenario), str(self._place / scenario.confined_by), *who]
