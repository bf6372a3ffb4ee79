"""What the tests of transfers have in common."""

from __future__ import annotations

import hashlib
from pathlib import Path

from node3nb.transfers.retries import RetryPolicy

QUICK = RetryPolicy(tries=4, first_wait_s=0.001, longest_wait_s=0.01)
KEY = {"X-API-Key": "secret-key"}
DATA = hashlib.shake_256(b"node3nb").digest(300_000)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())
