"""Files between a job's URLs and its workspace."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from node3nb.errors import InputError, UploadError
from node3nb.files.archives import ArchiveLimits, unpack
from node3nb.files.removal import remove_tree
from node3nb.files.workspace import Workspace
from node3nb.jobs import GIB, JobSpec
from node3nb.transfers.download import Download, PartFile
from node3nb.transfers.guarded_http import GuardedSession
from node3nb.transfers.local_files import read_file, write_file
from node3nb.transfers.retries import Retries, RetryPolicy, TransferBroken
from node3nb.transfers.upload import Parcel, UploadRefused, Uploads
from node3nb.transfers.url_policy import UrlPolicy, UrlRefused, is_file, shown

__all__ = ["Transfer", "UploadRefused", "file_name", "sha256_of"]

#: Names of files that are unpacked into the input directory.
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
#: Name of a file whose URL gives none.
FALLBACK_NAME = "input"

_UNSAFE = re.compile(r"[^A-Za-z0-9_.+@=-]+")
_MAX_NAME_CHARS = 128


@dataclass(frozen=True, slots=True)
class _Connections:
    """What each thread has of its own."""

    #: Its connections.
    session: GuardedSession
    #: What sends files over them.
    uploads: Uploads


class Transfer:
    """Fetches inputs and sends outputs; one object serves many threads.

    Parameters
    ----------
    policy
        Which URLs may be touched.
    headers
        Headers, such as a key, for the marketplace's own origin and nobody else.
    max_bytes
        Most bytes of one input, as fetched and as unpacked.
    retries
        How patiently a transfer is tried.
    """

    def __init__(
        self,
        policy: UrlPolicy,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = 16 * GIB,
        retries: RetryPolicy | None = None,
    ) -> None:
        self._policy = policy
        self._headers = dict(headers or {})
        self._max_bytes = max_bytes
        self._retries = retries or RetryPolicy()
        self._local = threading.local()

    def stage(self, spec: JobSpec, workspace: Workspace, cancelled: threading.Event) -> None:
        """Fetch a job's input, if it has one, and lay it out in the workspace's input directory.

        An archive (`.tar`, `.tar.gz`, `.tgz`, `.zip`) is unpacked there; anything else is put
        there as one file under the URL's own file name.

        Raises
        ------
        InputError
            The input can't be fetched, verified or unpacked; nothing of it is left.
        TransferCancelled
            Somebody cancelled the job.
        """
        if not spec.input_url:
            return
        incoming = workspace.root / "incoming"
        with _input_errors():
            incoming.mkdir(mode=0o700)
            try:
                fetched = self.fetch(
                    spec.input_url, incoming, sha256=spec.input_sha256, cancelled=cancelled
                )
                self._lay_out(fetched, workspace.input, cancelled)
            finally:
                remove_tree(incoming)

    def fetch(
        self,
        url: str,
        destination_dir: Path,
        *,
        sha256: str = "",
        cancelled: threading.Event,
        max_bytes: int | None = None,
    ) -> Path:
        """Fetch one file into a directory and return its path.

        Parameters
        ----------
        url
            An http, https or, below the policy's roots, file URL.
        destination_dir
            An existing directory without a file of that name.
        sha256
            What the file must hash to, in hex; empty is unchecked.
        max_bytes
            Most bytes the file may have; the transfer's own limit when None.

        Raises
        ------
        InputError
            It can't be had, is too big, or is not what `sha256` says; nothing of it is left.
        TransferCancelled
            Somebody cancelled it.
        """
        destination = destination_dir / file_name(url)
        limit = self._max_bytes if max_bytes is None else max_bytes
        part_path = destination.with_name(f"{destination.name}.part")
        with _input_errors(), PartFile(part_path, limit) as part:
            self._fill(part, url, cancelled)
            if sha256 and part.sha256 != sha256.lower():
                raise InputError(
                    f"input_sha256: {shown(url)} gave a file with the SHA-256 {part.sha256}; "
                    "correct the checksum or the file."
                )
        part_path.replace(destination)
        return destination

    def send(
        self,
        path: Path,
        url: str,
        *,
        cancelled: threading.Event,
        headers: Mapping[str, str] | None = None,
        sha256: str = "",
    ) -> None:
        """Send a file to a URL with PUT, or write it below the policy's roots.

        Parameters
        ----------
        headers
            Further headers for the marketplace's own origin only.
        sha256
            The file's SHA-256 in hex, where it is known; else it is read once more.

        Raises
        ------
        UploadRefused
            The URL does not take it, and would not if it were sent again.
        UploadError
            It could not be sent; sending it again may help.
        TransferCancelled
            Somebody cancelled it.
        """
        retries = Retries(self._retries, cancelled)
        retries.check()
        with _upload_errors(url), path.open("rb") as file:
            if is_file(url):
                write_file(file, self._policy.file_place(url), retries)
                return
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            parcel = Parcel(file, size, sha256 or sha256_of(file), headers or {})
            connections = self._connections()
            with connections.session.interruptible(retries):
                connections.uploads.send(parcel, url, retries)

    def _connections(self) -> _Connections:
        mine: _Connections | None = getattr(self._local, "connections", None)
        if mine is None:
            session = GuardedSession(self._policy, self._headers)
            mine = self._local.connections = _Connections(session, Uploads(session, self._policy))
        return mine

    def _fill(self, part: PartFile, url: str, cancelled: threading.Event) -> None:
        retries = Retries(self._retries, cancelled)
        retries.check()
        if is_file(url):
            read_file(self._policy.file_place(url), part, retries)
            return
        session = self._connections().session
        with session.interruptible(retries):
            Download(session, url, part, retries).run()

    def _lay_out(self, fetched: Path, into: Path, cancelled: threading.Event) -> None:
        if fetched.name.lower().endswith(ARCHIVE_SUFFIXES):
            unpack(fetched, into, ArchiveLimits(bytes=self._max_bytes), cancelled=cancelled)
            return
        fetched.chmod(0o644)
        fetched.replace(into / fetched.name)


def file_name(url: str) -> str:
    """Return one safe file name for what a URL leads to: its own, else `input`."""
    try:
        last = PurePosixPath(unquote(urlsplit(url).path)).name
    except ValueError:
        return FALLBACK_NAME
    plain = _UNSAFE.sub("_", last).lstrip(".-")
    return plain[-_MAX_NAME_CHARS:].lstrip(".-") or FALLBACK_NAME


def sha256_of(file: io.BufferedReader) -> str:
    """Return the SHA-256 of an open file, in hex."""
    return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except UrlRefused as error:
        raise InputError(f"input_url: {error}") from error
    except OSError as error:
        raise InputError(
            f"input_url: its file can't be read or kept here ({error.strerror}); check that it is "
            "there and that this machine's disk is not full."
        ) from error


@contextlib.contextmanager
def _upload_errors(url: str) -> Iterator[None]:
    try:
        yield
    except UrlRefused as error:
        raise UploadRefused(f"output_url: {error}") from error
    except TransferBroken as error:
        raise UploadError(
            f"output_url: {shown(url)} could not be sent to: {error}; "
            "the outputs are kept and sent again later."
        ) from error
    except OSError as error:
        raise UploadError(
            f"output_url: the outputs can't be read or written here ({error.strerror}); check that "
            "the directory is there and that the disk is not full."
        ) from error
