"""One pull: by digest where the engine can, watched while it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node3nb.containers.pull_watch import PullWatch
from node3nb.containers.references import Reference
from node3nb.errors import JobRefused, TransferCancelled
from node3nb.inert_text import line
from node3nb.sizes import shown_bytes
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal

#: Longest silence of a pull, in seconds.
SILENCE_S = 120.0
#: Seconds between two reports of a pull's progress.
PROGRESS_S = 2.0
Note = Callable[[str], None]


class Pull:
    """A pull of an image without anybody's password: what comes is public.

    Parameters
    ----------
    api
        The engine.
    reference
        The image.
    most_bytes
        Largest size, as it is sent and on the disk.
    disk
        A directory on the engine's disk; None where that can't be seen.
    """

    def __init__(
        self, api: EngineAPI, reference: Reference, most_bytes: int, disk: Path | None
    ) -> None:
        self._api = api
        self._reference = reference
        self._most_bytes = most_bytes
        self._disk = disk

    def digest(self) -> str:
        """Return the digest that the registry has for the name now.

        Raises
        ------
        JobRefused
            It has none.
        """
        if self._reference.digest:
            return self._reference.digest
        try:
            told = self._api.call(
                "GET", f"/distribution/{self._reference}/json", timeout_s=SILENCE_S
            )
        except EngineRefusal as refusal:
            raise self._impossible(refusal.words) from refusal
        return str(told["Descriptor"]["digest"])

    def receive(self, wanted: str, cancelled: threading.Event, note: Note) -> None:
        """Have the engine pull a tag, or a digest.

        Raises
        ------
        JobRefused
            It can't be had, or is too large.
        TransferCancelled
            The job was cancelled meanwhile.
        """
        progress = _Progress(self._reference, note)
        with PullWatch(self._disk, self._most_bytes, lambda: progress.total, cancelled) as watch:
            try:
                self._follow(wanted, progress, watch)
            except EngineGone:
                if not (watch.too_much or cancelled.is_set()):
                    raise
        if cancelled.is_set():
            raise TransferCancelled
        if watch.too_much:
            raise self._refusal("takes too much of the disk")

    def _follow(self, wanted: str, progress: _Progress, watch: PullWatch) -> None:
        stream = self._api.stream(
            "POST",
            "/images/create",
            opened=watch.attend,
            timeout_s=SILENCE_S,
            fromImage=self._reference.name,
            tag=wanted,
        )
        try:
            for told in stream:
                if words := told.get("error"):
                    raise self._impossible(str(words))
                if progress.add(told) > self._most_bytes:
                    raise self.too_large(progress.total)
        except EngineRefusal as refusal:
            raise self._impossible(refusal.words) from refusal
        finally:
            stream.close()  # type: ignore[attr-defined]

    def too_large(self, size: int) -> JobRefused:
        """Return the refusal of an image of at least so many bytes."""
        return self._refusal(f"has {shown_bytes(size)} or more")

    def _refusal(self, what: str) -> JobRefused:
        most = shown_bytes(self._most_bytes)
        return JobRefused(f"The image {self._reference} {what}; {most} are allowed here.")

    def _impossible(self, words: str) -> JobRefused:
        if "no space left" in words.lower():
            return JobRefused(
                f"The container engine has no space left for image {self._reference}; make room."
            )
        return JobRefused(f"The image {self._reference} can't be pulled ({line(words, 300)}).")


class _Progress:
    """Adds up what a pull tells of its layers."""

    def __init__(self, reference: Reference, note: Note) -> None:
        self._reference = reference
        self._note = note
        self._layers: dict[str, tuple[int, int]] = {}
        self._told = float("-inf")

    @property
    def total(self) -> int:
        """Bytes of all layers known so far, as they are sent."""
        return sum(total for _, total in self._layers.values())

    def add(self, told: dict[str, Any]) -> int:
        detail = told.get("progressDetail") or {}
        if told.get("status") == "Downloading" and detail.get("total"):
            now, total = int(detail.get("current", 0)), int(detail["total"])
            self._layers[str(told.get("id"))] = (now, total)
        if time.monotonic() - self._told >= PROGRESS_S:
            self._told = time.monotonic()
            done = sum(now for now, _ in self._layers.values())
            shown = f"{shown_bytes(done)} of {shown_bytes(self.total)} or more"
            self._note(f"Pulling image {self._reference}: {shown}.")
        return self.total
