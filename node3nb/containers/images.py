"""Images of one engine: which are here, which may be used, pulled and removed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node3nb.containers.policy import ContainerPolicy
from node3nb.containers.pull import Note, Pull
from node3nb.containers.pulled import Pulled, PulledImages
from node3nb.containers.recent import Recent
from node3nb.containers.references import Reference, parse
from node3nb.errors import JobRefused, JobSpecError, TransferCancelled
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineRefusal

#: Seconds for which an image that could not be had is not tried again.
RETRY_S = 600.0
#: Status of an image that is not here.
_NOT_THERE = 404


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here."""

    #: Its id.
    id: str
    #: The name it was asked for by with its digest, where the engine knows that; else its id.
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
    by_digest
        Whether the engine pulls by digest, so that no name of the owner's changes its meaning.
    disk
        A directory on the disk of its images; None where that can't be seen.
    """

    def __init__(
        self,
        api: EngineAPI,
        policy: ContainerPolicy,
        pulled: PulledImages,
        *,
        by_digest: bool = True,
        disk: Path | None = None,
    ) -> None:
        self._api = api
        self._policy = policy
        self._pulled = pulled
        self._by_digest = by_digest
        self._disk = disk
        self._public: Recent[str] = Recent()
        self._pulling = threading.Lock()
        self._in_use: dict[str, int] = {}
        self._missing: Recent[tuple[float, str]] = Recent()
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
        since, why = self._missing.of(str(reference)) or (float("-inf"), "")
        if time.monotonic() - since < RETRY_S:
            return why
        return self._unpullable(reference)

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
            self._pulled.note_use(image.id)
            yield image
        finally:
            with self._lock:
                self._in_use[image.id] -= 1
                if not self._in_use[image.id]:
                    del self._in_use[image.id]

    def _had(self, name: str, cancelled: threading.Event, note: Note) -> Image:
        try:
            reference = parse(name)
        except JobSpecError as error:
            raise JobRefused(str(error)) from error
        here = self._usable(reference)
        if here is not None:
            return here
        why = self._unpullable(reference)
        if why:
            raise JobRefused(f"The {why}")
        with self._pulling:
            return self._usable(reference) or self._pull(reference, cancelled, note)

    def _usable(self, reference: Reference) -> Image | None:
        """Return an image that is here if jobs may use it: shown to them, or pulled for one."""
        name = str(reference)
        here = self._look(name, reference)
        if here and (self._policy.may_use(reference) or self._pulled.find(here.id)):
            return here
        known = self._pulled.named(name)
        if known is None:
            public = self._public.of(name)
            return self._look(public, reference) if public else None
        here = self._look(known.id, reference)
        if here is None:
            self._pulled.forget(known.id)
        return here

    def _look(self, name: str, reference: Reference) -> Image | None:
        told = self._inspect(name)
        return _image(told, reference) if told else None

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            told = self._api.call("GET", f"/images/{name}/json")
        except EngineRefusal as refusal:
            if refusal.status == _NOT_THERE:
                return None
            raise
        return dict(told)

    def _unpullable(self, reference: Reference) -> str:
        """Return why an image is not pulled, as a sentence; empty when it may be."""
        why = self._policy.may_pull(reference)
        if why or self._by_digest or self._inspect(str(reference)) is None:
            return why
        return f"image {reference} is not for jobs here; its owner may allow it by --own-image."

    def _pull(self, reference: Reference, cancelled: threading.Event, note: Note) -> Image:
        """Pull an image.

        Raises
        ------
        JobRefused, TransferCancelled
            As `held`.
        """
        listed = self._api.call("GET", "/images/json", all=1)
        before = {str(each["Id"]): _names(each) for each in listed}
        try:
            image = self._received(reference, before, cancelled, note)
        except JobRefused as refused:
            self._missing.note(str(reference), (time.monotonic(), str(refused)))
            raise
        if image.id not in before:
            self._pulled.note(self._noted(image, reference))
        self._make_room(image.id)
        return image

    def _received(
        self,
        reference: Reference,
        before: dict[str, set[str]],
        cancelled: threading.Event,
        note: Note,
    ) -> Image:
        """Return what came, unless it is too large as it lies on the disk."""
        pull = Pull(self._api, reference, self._policy.max_image_bytes, self._disk)
        wanted = pull.digest() if self._by_digest else reference.wanted
        name = f"{reference.name}@{wanted}" if self._by_digest else str(reference)
        try:
            pull.receive(wanted, cancelled, note)
        except (JobRefused, TransferCancelled):
            self._discard(self._look(name, reference), reference, before)
            raise
        image = self._look(name, reference)
        if image is None:
            raise JobRefused(f"The image {reference} was pulled and is not here.")
        if image.id in before:
            self._unname(name, before[image.id])
        if image.bytes > self._policy.max_image_bytes:
            self._discard(image, reference, before)
            raise pull.too_large(image.bytes)
        self._public.note(str(reference), image.id)
        return image

    def _discard(
        self, image: Image | None, reference: Reference, before: dict[str, set[str]]
    ) -> None:
        """Remove what a pull that is refused brought here."""
        if image is not None and image.id not in before:
            self._remove(self._noted(image, reference))

    def _unname(self, name: str, before: set[str]) -> None:
        """Take back the name a pull gave to an image that was here by others."""
        if before - {name} and name not in before:
            with contextlib.suppress(EngineRefusal):
                self._api.call("DELETE", f"/images/{name}", force=0)

    def _noted(self, image: Image, reference: Reference) -> Pulled:
        tagged = not (self._by_digest or reference.digest)
        return Pulled(image.id, str(reference), image.bytes, time.time(), tagged)

    def _make_room(self, newest: str) -> None:
        """Remove what was pulled for jobs, the longest unused first, until the rest fits."""
        kept = self._pulled.all()
        total = sum(each.bytes for each in kept)
        for image in kept:
            if total <= self._policy.image_budget_bytes:
                return
            if image.id == newest or self._in_use.get(image.id):
                continue
            if self._remove(image):
                self._pulled.forget(image.id)
                total -= image.bytes

    def _remove(self, image: Pulled) -> bool:
        """Remove an image, unless its owner named it; return whether it is ours no more."""
        told = self._inspect(image.id)
        if told is None or _tags(told) - ({image.reference} if image.tagged else set()):
            return True
        try:
            self._api.call("DELETE", f"/images/{image.id}", force=0)
        except EngineRefusal as refusal:
            return refusal.status == _NOT_THERE
        return True


def _image(told: dict[str, Any], reference: Reference) -> Image:
    settings = told.get("Config") or {}
    return Image(
        id=str(told["Id"]),
        digest=_digest(told, reference),
        bytes=int(told.get("Size") or 0),
        entrypoint=bool(settings.get("Entrypoint")),
        volumes=tuple(settings.get("Volumes") or ()),
    )


def _tags(told: dict[str, Any]) -> set[str]:
    return _whole(told.get("RepoTags"))


def _names(told: dict[str, Any]) -> set[str]:
    return _tags(told) | _whole(told.get("RepoDigests"))


def _whole(names: list[Any] | None) -> set[str]:
    """Return names as this module writes them; an engine writes <none> for none."""
    found = set()
    for name in map(str, names or []):
        with contextlib.suppress(JobSpecError):
            found.add(str(parse(name)))
    return found


def _digest(told: dict[str, Any], reference: Reference) -> str:
    """Return an image's digest by the name asked for: its other names are its owner's secret."""
    for digest in map(str, told.get("RepoDigests") or []):
        with contextlib.suppress(JobSpecError):
            if parse(digest).name == reference.name:
                return digest
    return str(told["Id"])
