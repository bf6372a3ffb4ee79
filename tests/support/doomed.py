"""Commands that end with who starts them, also where that has threads."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

_PROGRAM = Path(__file__).parents[1] / "programs" / "doomed.py"


def doomed(command: list[str], signum: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return a command that gets a signal when the thread that starts it ends."""
    return [sys.executable, str(_PROGRAM), str(os.getpid()), str(int(signum)), *command]
