"""The second way to level `namespaces`: the real bubblewrap, where our own is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import needs, reachable
from support.native_jobs import linux_only

from node3nb.files.removal import remove_tree
from node3nb.supervisor import level
from node3nb.supervisor.sandbox import bubblewrap
from node3nb.supervisor.sandbox.setup import NAMESPACES

pytestmark = [linux_only, needs.lacking(os.geteuid() != 0, "needs root to refuse")]
SUPPORT = Path(reachable.__file__).parent
#: An ordinary user made for the test.
USER = 23457
#: Who refuses what, with the way that is left.
REFUSALS = {"only_bubblewrap.py": 0, "only_setuid_bubblewrap.py": 1}
#: Seconds all jobs of one refusal get.
PATIENCE_S = 110
Report = dict[str, Any]
refusals = pytest.mark.parametrize("refusal", REFUSALS)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Where an ordinary user finds a Python and this package."""
    place = Path(tempfile.mkdtemp(prefix="n3-wrapped-"))
    reachable.build(place)
    for name in (*REFUSALS, "wrapped_jobs.py"):
        shutil.copyfile(SUPPORT / name, place / name)
    reachable.give(place, USER)
    yield place
    remove_tree(place)


@pytest.fixture(scope="module")
def reports(place: Path) -> Callable[..., Report]:
    """What became of the jobs under each refusal; asked for once."""
    known: dict[tuple[str, ...], Report] = {}

    def report(refusal: str, *around: str) -> Report:
        if (refusal, *around) not in known:
            known[refusal, *around] = _run(place, refusal, *around)
        return known[refusal, *around]

    return report


def _run(place: Path, refusal: str, *around: str) -> Report:
    needs.program(bubblewrap.PROGRAM)
    python = str(place / "environment" / "bin" / "python")
    area = place / "area"
    area.mkdir(exist_ok=True)
    os.chown(area, USER, USER)
    ran = subprocess.run(
        [
            *(python, str(place / refusal), str(USER), *around),
            *(python, str(place / "wrapped_jobs.py"), str(area)),
        ],
        env={"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1", "NODE3_HOME": str(area)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


@refusals
def test_level_is_found_and_told(reports: Callable[..., Report], refusal: str) -> None:
    told = reports(refusal)
    assert told["isolation"] == "namespaces", told["missing"]
    assert told["layers"] == ["namespaces", "bubblewrap", "landlock", "seccomp"]
    assert "not permitted" in told["missing"]["built-ahead"]
    assert "namespaces" not in told["missing"]
    assert told["look"]["layers"] == told["layers"]


@refusals
def test_what_a_job_sees(reports: Callable[..., Report], refusal: str) -> None:
    told = reports(refusal)["look"]
    assert told["state"] == "completed", told
    seen = json.loads(told["stdout"])
    assert (seen["cwd"], seen["user"], seen["host"]) == ("/job", "job", "job")
    assert (seen["input"], told["left"]) == ("given", ["made"])
    assert set(seen["capabilities"]) == {0}
    assert (seen["processes"], seen["interfaces"]) == (2, ["lo"])
    assert seen["open"] == ["0", "1", "2", "3"]  # the last is what lists them
    assert {"input", "output", "job", "tmp"} < set(seen["root"])
    assert not {"home", "root", "var", "run", "work"} & set(seen["root"])
    assert seen["written"] == ["/output", "/job", "/tmp", "/dev/shm"]


@refusals
def test_how_jobs_end(reports: Callable[..., Report], refusal: str) -> None:
    told = reports(refusal)
    streams, killed = told["streams"], told["signal"]
    assert (streams["exit_code"], streams["stdout"], streams["stderr"]) == (7, "out\n", "err\n")
    assert (killed["reason"], killed["signal"]) == ("signaled", signal.SIGUSR1)
    assert told["missing-program"]["exit_code"] == 127
    assert told["polite"]["reason"] == "cancelled"
    assert (told["polite"]["stdout"], told["polite"]["exit_code"]) == ("ready\nasked\n", 3)
    assert told["daemon"]["state"] == "completed"


@refusals
@pytest.mark.parametrize("way", ["greedy", "shared"])
def test_memory_is_watched(reports: Callable[..., Report], refusal: str, way: str) -> None:
    told = reports(refusal)[way]
    assert told["reason"] == "out_of_memory", told
    assert "limit is 256 MiB" in told["message"]


@refusals
def test_network_of_the_host(reports: Callable[..., Report], refusal: str) -> None:
    assert int(reports(refusal)["network"]["stdout"]) > 1


def test_rights_can_not_be_had_without_new_privileges(reports: Callable[..., Report]) -> None:
    """The setuid bit means nothing to a provider that may gain no privileges: it is found out."""
    setpriv = needs.program("setpriv")
    told = reports("only_setuid_bubblewrap.py", setpriv, "--no-new-privs")
    assert told["isolation"] == "landlock"
    assert "bwrap: " in told["missing"]["namespaces"]


def test_bubblewrap_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "PROGRAM", "/nowhere/bwrap")
    monkeypatch.setattr(os, "geteuid", lambda: USER)
    missing = {NAMESPACES: "refused"}
    assert level._try_bubblewrap(None, "/nowhere", missing) is None  # type: ignore[arg-type]
    assert missing[NAMESPACES].startswith("refused; /nowhere/bwrap")
