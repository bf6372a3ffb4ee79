"""Which levels a test of native execution runs at: all of them, unless it says otherwise."""

from __future__ import annotations

import pytest

from node3nb.jobs import Isolation


def at(*levels: Isolation) -> pytest.MarkDecorator:
    """Run a test at these levels only."""
    return pytest.mark.parametrize("level", levels, indirect=True)


#: For what does not depend on the level: at the strongest there is.
once = pytest.mark.parametrize("level", [None], ids=["strongest"], indirect=True)
