"""Inputs laid out in a workspace, outputs sent away."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.file_server import FileServer, file_server
from support.transfer_data import DATA, KEY, QUICK, names

from node3nb.errors import InputError, TransferCancelled, UploadError
from node3nb.files import workspace
from node3nb.jobs import JobSpec
from node3nb.transfers.transfer import Transfer, UploadRefused, file_name
from node3nb.transfers.url_policy import UrlPolicy


@pytest.fixture
def space(tmp_path: Path) -> workspace.Workspace:
    return workspace.create(tmp_path / "jobs", "one")


def job(url: str, sha256: str = "") -> JobSpec:
    return JobSpec(command=("true",), input_url=url, input_sha256=sha256)


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [("in.tar.gz", tar_of), ("in.TGZ", tar_of), ("in.zip", zip_of)])
def test_archives_are_unpacked(
    server: FileServer,
    transfer: Transfer,
    space: workspace.Workspace,
    never: threading.Event,
    kind: tuple[str, Callable[[dict[str, bytes]], bytes]],
) -> None:
    name, make = kind
    url = server.put(f"/{name}", make({"a/b.txt": b"b", "c.txt": b"c"}))
    transfer.stage(job(f"{url}?signature=x"), space, never)
    assert (space.input / "a" / "b.txt").read_bytes() == b"b"
    assert (space.input / "c.txt").read_bytes() == b"c"
    assert names(space.root) == ["input", "job", "log", "output", "tmp"]


def test_anything_else_is_one_file(
    server: FileServer, transfer: Transfer, space: workspace.Workspace, never: threading.Event
) -> None:
    transfer.stage(job(server.put("/x/table.csv", b"1,2")), space, never)
    assert [path.name for path in space.input.iterdir()] == ["table.csv"]


def test_no_url_is_no_input(
    transfer: Transfer, space: workspace.Workspace, never: threading.Event
) -> None:
    transfer.stage(job(""), space, never)
    assert names(space.input) == []


@pytest.mark.parametrize("content", [tar_of({"a": b"1", "../b": b"2"}), tar_of({"a": DATA})[:-9]])
def test_a_bad_archive_leaves_nothing(
    server: FileServer,
    transfer: Transfer,
    space: workspace.Workspace,
    never: threading.Event,
    content: bytes,
) -> None:
    with pytest.raises(InputError):
        transfer.stage(job(server.put("/in.tar.gz", content)), space, never)
    assert names(space.input) == []
    assert "incoming" not in names(space.root)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.csv?x=/y", "b.csv"),
        ("http://h/", "input"),
        ("http://h", "input"),
        ("http://h/..", "input"),
        ("http://h/.bashrc", "bashrc"),
        ("http://h/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("http://h/-rf", "rf"),
        ("http://h/a%00b%0ac", "a_b_c"),
        ("http://h/" + "x" * 500 + ".tar.gz", "x" * 121 + ".tar.gz"),
        ("http://h/d%C3%A9j%C3%A0.txt", "d_j_.txt"),
    ],
)
def test_names_are_safe(url: str, name: str) -> None:
    assert file_name(url) == name


def test_outputs_are_sent_with_their_checksum(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    path = tmp_path / "out"
    path.write_bytes(DATA)
    transfer.send(path, server.put("/o"), cancelled=never, headers={"X-Lease-Id": "7"})
    (request,) = server.requests
    assert request.body == DATA
    assert request.headers["Content-Length"] == str(len(DATA))
    assert request.headers["X-Content-SHA256"] == hashlib.sha256(DATA).hexdigest()
    assert request.headers["X-Lease-Id"] == "7"
    assert request.headers["X-API-Key"] == KEY["X-API-Key"]


def test_an_empty_file_has_a_length(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    (tmp_path / "out").touch()
    transfer.send(tmp_path / "out", server.put("/o"), cancelled=never)
    assert server.requests[0].headers["Content-Length"] == "0"


def test_sending_is_tried_again_whole(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    (tmp_path / "out").write_bytes(DATA)
    url = server.put("/o", failures=[500, 429, 503], headers={"Retry-After": "1"})
    transfer.send(tmp_path / "out", url, cancelled=never)
    assert [request.body for request in server.requests] == [DATA] * 4


def test_sending_follows_a_redirect_without_the_key(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    (tmp_path / "out").write_bytes(DATA)
    with file_server() as other:
        url = server.put("/o", redirect=other.put("/p"), redirect_status=307)
        transfer.send(tmp_path / "out", url, cancelled=never, headers={"X-Lease-Id": "7"})
        assert other.requests[0].body == DATA
        assert not {"X-API-Key", "X-Lease-Id"} & set(other.requests[0].headers)


def test_a_refused_upload_is_told_apart(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    (tmp_path / "out").write_bytes(DATA)
    with pytest.raises(UploadRefused, match="answered 403"):
        transfer.send(tmp_path / "out", server.put("/o", failures=[403]), cancelled=never)
    with pytest.raises(UploadRefused, match="private network"):
        transfer.send(tmp_path / "out", "http://10.0.0.1/o", cancelled=never)
    with pytest.raises(UploadError, match="answered 503") as caught:
        transfer.send(tmp_path / "out", server.put("/o", failures=[503] * 9), cancelled=never)
    assert not isinstance(caught.value, UploadRefused)


def test_an_unreachable_server_is_an_upload_error(tmp_path: Path, never: threading.Event) -> None:
    (tmp_path / "out").write_bytes(DATA)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/o"
        with pytest.raises(UploadError, match="could not be sent"):
            Transfer(UrlPolicy(url), retries=QUICK).send(tmp_path / "out", url, cancelled=never)


def test_a_cancelled_upload_ends(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    (tmp_path / "out").write_bytes(DATA)
    hold = threading.Event()
    url = server.put("/o", hold=hold, before=lambda _: never.set())
    with pytest.raises(TransferCancelled):
        transfer.send(tmp_path / "out", url, cancelled=never)
    hold.set()
