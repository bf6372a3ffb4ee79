"""Cells in a real IPython shell of this process."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell


@dataclass
class Cells:
    """A notebook without a browser: cells run in a real IPython shell of this process."""

    shell: InteractiveShell
    #: What the last cell wrote.
    stdout: str = ""

    def run(self, code: str) -> Any:
        """Run a cell that must succeed, and return what it would display."""
        written = io.StringIO()
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(io.StringIO()):
            result = self.shell.run_cell(code, store_history=True)
        self.stdout = written.getvalue()
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            raise error
        return result.result

    def refusal(self, code: str) -> str:
        """Run a cell that must be refused without a traceback, and return what it is told."""
        with pytest.raises(UsageError) as refused:
            self.run(code)
        return str(refused.value)

    def shown(self, value: object) -> tuple[str, str]:
        """Return how a value is displayed: as plain text and as HTML."""
        data, _ = self.shell.display_formatter.format(value)
        return data["text/plain"], data.get("text/html", "")
