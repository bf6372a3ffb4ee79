"""Images of one engine: which are here, which may be used, pulled and removed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from node3nb.containers.policy import ContainerPolicy
from node3nb.containers.pulled import Pulled, PulledImages
from node3nb.containers.references import Reference, parse
from node3nb.errors import JobRefused, JobSpecError, TransferCancelled
from node3nb.inert_text import line
from node3nb.sizes import shown_bytes
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineRefusal

#: Longest silence of a pull, in seconds.
SILENCE_S = 120.0
#: Seconds between two reports of a pull's progress.
PROGRESS_S = 2.0
#: Seconds for which an image that could not be had is not tried again.
RETRY_S = 600.0
#: Status of an image that is not here, and of one that is in use.
_NOT_THERE, _IN_USE = 404, 409
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here."""

    #: Its id.
    id: str
    #: Its name with its digest, where the engine knows that; else with its id.
    digest: str
    #: Its size on disk, in bytes.
    bytes: int
    #: Whether it has an entrypoint.
    entrypoint: bool
    #: Where it would have volumes made.
    volumes: tuple[str, ...]


class Images:
    """The images of one engine under one owner's policy; used by many threads.

    Parameters
    ----------
    api
        The engine.
    policy
        The owner's choices.
    pulled
        What was pulled for jobs.
    """

    def __init__(self, api: EngineAPI, policy: ContainerPolicy, pulled: PulledImages) -> None:
        self._api = api
        self._policy = policy
        self._pulled = pulled
        self._pulling = threading.Lock()
        self._in_use: dict[str, int] = {}
        self._missing: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def shortfall(self, name: str) -> str:
        """Return why a job can't have an image, as a sentence; empty when it can, or may.

        Raises
        ------
        EngineGone, EngineRefusal
            The engine did not tell.
        """
        try:
            reference = parse(name)
        except JobSpecError as error:
            return str(error)
        if self._usable(reference) is not None:
            return ""
        since, why = self._missing.get(str(reference), (float("-inf"), ""))
        if time.monotonic() - since < RETRY_S:
            return why
        return self._policy.may_pull(reference)

    @contextlib.contextmanager
    def held(self, name: str, cancelled: threading.Event, note: Note) -> Iterator[Image]:
        """Give an image that stays here for so long, pulled if need be.

        Raises
        ------
        JobRefused
            It can't be had, or may not be used.
        TransferCancelled
            The job was cancelled meanwhile.
        EngineGone, EngineRefusal
            The engine did not tell.
        """
        image = self._had(name, cancelled, note)
        with self._lock:
            self._in_use[image.id] = self._in_use.get(image.id, 0) + 1
        try:
            self._note_use(image)
            yield image
        finally:
            with self._lock:
                self._in_use[image.id] -= 1

    def _had(self, name: str, cancelled: threading.Event, note: Note) -> Image:
        try:
            reference = parse(name)
        except JobSpecError as error:
            raise JobRefused(str(error)) from error
        here = self._usable(reference)
        if here is not None:
            return here
        why = self._policy.may_pull(reference)
        if why:
            raise JobRefused(f"The {why}")
        with self._pulling:
            return self._usable(reference) or self._pull(reference, cancelled, note)

    def _usable(self, reference: Reference) -> Image | None:
        """Return an image that is here if jobs may use it: pulled for one, or shown to them."""
        here = self._look(str(reference))
        if here is None or self._policy.may_use(reference):
            return here
        return here if self._pulled.find(here.id) else None

    def _look(self, name: str) -> Image | None:
        try:
            told = self._api.call("GET", f"/images/{name}/json")
        except EngineRefusal as refusal:
            if refusal.status == _NOT_THERE:
                return None
            raise
        return _image(told)

    def _pull(self, reference: Reference, cancelled: threading.Event, note: Note) -> Image:
        """Pull an image without anybody's password: what comes is public.

        Raises
        ------
        JobRefused, TransferCancelled
            As `held`.
        """
        before = {each["Id"] for each in self._api.call("GET", "/images/json", all=1)}
        try:
            self._receive(reference, cancelled, note)
            image = self._checked(reference)
        except JobRefused as refused:
            self._missing[str(reference)] = (time.monotonic(), str(refused))
            raise
        if image.id not in before:
            self._pulled.note(Pulled(image.id, str(reference), image.bytes, time.time()))
        self._make_room(image.id)
        return image

    def _checked(self, reference: Reference) -> Image:
        """Return what was pulled, unless it is too large as it lies on the disk."""
        image = self._look(str(reference))
        if image is None:
            raise JobRefused(f"The image {reference} was pulled and is not here.")
        if image.bytes > self._policy.max_image_bytes:
            self._remove(str(reference))
            raise self._too_large(reference, image.bytes)
        return image

    def _receive(self, reference: Reference, cancelled: threading.Event, note: Note) -> None:
        progress = _Progress(reference, note)
        stream = self._api.stream(
            "POST",
            "/images/create",
            timeout_s=SILENCE_S,
            fromImage=reference.name,
            tag=reference.wanted,
        )
        try:
            for told in stream:
                if cancelled.is_set():
                    raise TransferCancelled
                if words := told.get("error"):
                    raise _unpullable(reference, str(words))
                if progress.add(told) > self._policy.max_image_bytes:
                    raise self._too_large(reference, progress.total)
        except EngineRefusal as refusal:
            raise _unpullable(reference, refusal.words) from refusal
        finally:
            stream.close()  # type: ignore[attr-defined]

    def _too_large(self, reference: Reference, size: int) -> JobRefused:
        most = shown_bytes(self._policy.max_image_bytes)
        told = f"The image {reference} has {shown_bytes(size)} or more; {most} are allowed here."
        return JobRefused(told)

    def _note_use(self, image: Image) -> None:
        known = self._pulled.find(image.id)
        if known is not None:
            self._pulled.note(Pulled(known.id, known.reference, known.bytes, time.time()))

    def _make_room(self, newest: str) -> None:
        """Remove what was pulled for jobs, the longest unused first, until the rest fits."""
        kept = self._pulled.all()
        total = sum(each.bytes for each in kept)
        for image in kept:
            if total <= self._policy.image_budget_bytes:
                return
            if image.id == newest or self._in_use.get(image.id):
                continue
            if self._remove(image.reference):
                self._pulled.forget(image.id)
                total -= image.bytes

    def _remove(self, name: str) -> bool:
        """Take an image's name away; without another name it goes. Return whether it is gone."""
        try:
            self._api.call("DELETE", f"/images/{name}", force=0)
        except EngineRefusal as refusal:
            return refusal.status == _NOT_THERE
        return True


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


def _unpullable(reference: Reference, words: str) -> JobRefused:
    if "no space left" in words.lower():
        told = f"The container engine has no space left for image {reference}; make room."
        return JobRefused(told)
    return JobRefused(f"The image {reference} can't be pulled ({line(words, 300)}).")


def _image(told: dict[str, Any]) -> Image:
    settings = told.get("Config") or {}
    digests = told.get("RepoDigests") or []
    return Image(
        id=str(told["Id"]),
        digest=str(digests[0] if digests else told["Id"]),
        bytes=int(told.get("Size") or 0),
        entrypoint=bool(settings.get("Entrypoint")),
        volumes=tuple(settings.get("Volumes") or ()),
    )
