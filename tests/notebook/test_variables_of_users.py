"""Variables of an ordinary user, whose rights are not root's."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs, reachable

from node3nb.jobs import Isolation

#: An ordinary user, of whom the machine knows nothing.
USER = 61_234
CARRIER = Path(__file__).parent / "programs" / "carrier.py"

pytestmark = needs.lacking(
    not hasattr(os, "geteuid") or os.geteuid() != 0, "only root can become another user"
)


@pytest.fixture(scope="module")
def python() -> Iterator[tuple[Path, Path]]:
    """A Python the user can run, and a directory of the user's own."""
    with tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        python = reachable.build(place)
        (place / "carrier.py").write_bytes(CARRIER.read_bytes())
        (place / "home").mkdir()
        reachable.give(place / "home", USER)
        yield python, place


@pytest.mark.parametrize("level", list(Isolation)[:-1])
def test_an_ordinary_user_s_variables_are_carried(
    python: tuple[Path, Path], level: Isolation
) -> None:
    program, place = python
    ran = subprocess.run(
        [program, place / "carrier.py", level],
        user=USER,
        group=USER,
        extra_groups=[],
        env={"NODE3_HOME": str(place / "home"), "PYTHONPATH": str(place)},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    carried = repr({"b": (2**70, {2**70: 2})})
    assert json.loads(ran.stdout) == [level, "", "", carried]
