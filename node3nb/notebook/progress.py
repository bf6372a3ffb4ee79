"""One line that tells how a long job goes, in a display that is gone when the job has ended."""

from __future__ import annotations

import time
import uuid
from types import TracebackType
from typing import Any, Self

from node3nb import inert_text
from node3nb.notebook import page


class Progress:
    """Shows lines in the place of each other, once a job takes long and somebody may be watching.

    Parameters
    ----------
    shell
        The shell whose cell waits.
    after_s
        Seconds before anything is shown; 0 is never.
    """

    #: Seconds between two lines.
    every_s = 0.5

    def __init__(self, shell: Any, after_s: float) -> None:
        self._pages = shell.display_pub
        self._due = time.monotonic() + after_s if after_s and _watched(shell) else None
        self._display_id = ""

    @property
    def shows(self) -> bool:
        """Whether a line would be shown now."""
        return self._due is not None and time.monotonic() >= self._due

    def __call__(self, text: str, printed: str = "") -> None:
        """Show a line, and below it what the job has printed last."""
        if not self.shows:
            return
        line = inert_text.line(text, 300)
        html = f'<p {page.NO_MATH} role="status">{page.escape(line)}</p>'
        shown = {
            "text/plain": page.paragraphs(line, page.quoted("printed", printed)),
            "text/html": html + page.pre("printed", printed, name=".logs()"),
        }
        update = bool(self._display_id)
        self._display_id = self._display_id or uuid.uuid4().hex
        transient = {"display_id": self._display_id}
        self._pages.publish(shown, transient=transient, update=update)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display_id:
            self._pages.clear_output()


def _watched(shell: Any) -> bool:
    """Whether a person may be watching: whoever runs a notebook by a program lets nobody type.

    So nbclient and nbval do, and what they record or compare has no line of a moment in it.
    """
    if not hasattr(shell, "kernel"):
        return False
    asked = shell.get_parent() or {}
    return bool(asked.get("content", {}).get("allow_stdin"))
