"""Files fetched over real connections to servers that misbehave."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest
from support.file_server import FileServer
from support.transfer_data import DATA, QUICK, names

from node3nb.errors import InputError, TransferCancelled
from node3nb.transfers.retries import RetryPolicy, retry_after_s
from node3nb.transfers.transfer import Transfer
from node3nb.transfers.url_policy import UrlPolicy


def ranges(server: FileServer) -> list[str | None]:
    return [request.headers.get("Range") for request in server.requests]


def test_a_file_is_fetched_whole(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.put("/dir/data.bin", DATA)
    path = transfer.fetch(url, tmp_path, sha256=hashlib.sha256(DATA).hexdigest(), cancelled=never)
    assert path == tmp_path / "data.bin"
    assert path.read_bytes() == DATA
    assert names(tmp_path) == ["data.bin"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_broken_connection_is_resumed(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event, chunked: bool
) -> None:
    url = server.put("/data.bin", DATA, cuts=[100_000, 50_000], chunked=chunked)
    assert transfer.fetch(url, tmp_path, cancelled=never).read_bytes() == DATA
    assert ranges(server) == [None, "bytes=100000-", "bytes=150000-"]


def test_a_changed_file_is_fetched_anew(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    def change(asked: int) -> None:
        if asked == 2:
            server.resources["/data.bin"].content = DATA[::-1]
            server.resources["/data.bin"].etag = '"other"'

    url = server.put("/data.bin", DATA, cuts=[100_000], before=change)
    assert transfer.fetch(url, tmp_path, cancelled=never).read_bytes() == DATA[::-1]


def test_a_server_without_ranges_sends_it_all_again(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.put("/data.bin", DATA, cuts=[100_000], ranges=False)
    assert transfer.fetch(url, tmp_path, cancelled=never).read_bytes() == DATA


def test_without_a_validator_nothing_is_resumed(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.put("/data.bin", DATA, cuts=[100_000], etag="")
    assert transfer.fetch(url, tmp_path, cancelled=never).read_bytes() == DATA
    assert ranges(server) == [None, None]


def test_a_wrong_range_is_not_believed(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    wrong = {"Content-Range": "bytes 0-9/10"}
    url = server.put("/data.bin", DATA, cuts=[100_000])
    resource = server.resources["/data.bin"]
    resource.before = lambda asked: resource.headers.update(wrong if asked == 2 else {})
    with pytest.raises(InputError, match="another part"):
        Transfer(UrlPolicy(server.origin), retries=RetryPolicy(2, 0.001)).fetch(
            url, tmp_path, cancelled=never
        )
    assert names(tmp_path) == []


def test_server_errors_are_tried_again(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.put("/data.bin", DATA, failures=[500, 503, 429])
    assert transfer.fetch(url, tmp_path, cancelled=never).read_bytes() == DATA


def test_tries_are_bounded(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.put("/data.bin", DATA, failures=[503] * 99)
    with pytest.raises(InputError, match="answered 503"):
        transfer.fetch(url, tmp_path, cancelled=never)
    assert len(server.requests) == QUICK.tries


@pytest.mark.parametrize("lie", [1000, -1000])
def test_a_wrong_length_is_noticed(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event, lie: int
) -> None:
    def part(_: int) -> None:
        server.resources["/data.bin"].cuts = [len(DATA)]

    url = server.put("/data.bin", DATA, lie=lie, etag="", before=part)
    if lie > 0:
        with pytest.raises(InputError, match=r"connection broke|announced"):
            transfer.fetch(url, tmp_path, cancelled=never)
    else:
        with pytest.raises(InputError, match="input_sha256"):
            transfer.fetch(url, tmp_path, sha256=hashlib.sha256(DATA).hexdigest(), cancelled=never)
    assert names(tmp_path) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_too_many_bytes_are_refused(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event, chunked: bool
) -> None:
    url = server.put("/data.bin", DATA, chunked=chunked)
    with pytest.raises(InputError, match="299999 are allowed"):
        transfer.fetch(url, tmp_path, cancelled=never, max_bytes=len(DATA) - 1)
    assert names(tmp_path) == []


@pytest.mark.parametrize("refusal", [(404, "file is there"), (403, "gives access")])
def test_a_refusal_is_told_at_once(
    server: FileServer,
    transfer: Transfer,
    tmp_path: Path,
    never: threading.Event,
    refusal: tuple[int, str],
) -> None:
    status, advice = refusal
    url = server.put("/data.bin", failures=[status] * 9)
    with pytest.raises(InputError, match=rf"answered {status}; .*{advice}"):
        transfer.fetch(f"{url}?signature=hidden", tmp_path, cancelled=never)
    assert len(server.requests) == 1


def test_messages_hide_credentials(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.origin.replace("//", "//user:hidden@") + "/none?token=hidden"
    with pytest.raises(InputError) as caught:
        transfer.fetch(url, tmp_path, cancelled=never)
    assert "hidden" not in str(caught.value)


def test_a_wrong_checksum_is_refused(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    with pytest.raises(InputError, match=hashlib.sha256(DATA).hexdigest()):
        transfer.fetch(server.put("/d", DATA), tmp_path, sha256="0" * 64, cancelled=never)
    assert names(tmp_path) == []


def test_an_unasked_coding_is_refused(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.put("/data.csv", DATA, headers={"Content-Encoding": "gzip"})
    with pytest.raises(InputError, match="coding"):
        transfer.fetch(url, tmp_path, cancelled=never)
    again = server.put("/data.csv.gz", DATA, headers={"Content-Encoding": "gzip"})
    assert transfer.fetch(again, tmp_path, cancelled=never).read_bytes() == DATA


def test_cookies_and_netrc_are_not_sent(
    server: FileServer,
    transfer: Transfer,
    tmp_path: Path,
    never: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login owner password private\n")
    monkeypatch.setenv("NETRC", str(netrc))
    url = server.put("/a", DATA, headers={"Set-Cookie": "job=1"})
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        transfer.fetch(url, tmp_path / name, cancelled=never)
    assert not any({"Authorization", "Cookie"} & set(r.headers) for r in server.requests)


def test_credentials_of_the_url_are_used(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    url = server.put("/a", DATA).replace("//", "//user:word@")
    transfer.fetch(url, tmp_path, cancelled=never)
    assert server.requests[0].headers["Authorization"] == "Basic dXNlcjp3b3Jk"


def test_a_silent_server_does_not_hold_a_cancelled_job(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    hold = threading.Event()
    url = server.put("/a", DATA, hold=hold, before=lambda _: never.set())
    with pytest.raises(TransferCancelled):
        transfer.fetch(url, tmp_path, cancelled=never)
    hold.set()
    assert names(tmp_path) == []


def test_a_cancellation_ends_the_wait_between_tries(
    server: FileServer, tmp_path: Path, never: threading.Event
) -> None:
    patient = Transfer(UrlPolicy(server.origin), retries=RetryPolicy(longest_wait_s=600))
    url = server.put("/a", DATA, failures=[503] * 9, headers={"Retry-After": "600"})
    threading.Timer(0.2, never.set).start()
    started = time.monotonic()
    with pytest.raises(TransferCancelled):
        patient.fetch(url, tmp_path, cancelled=never)
    assert time.monotonic() - started < 60


def test_a_transfer_has_a_deadline(
    server: FileServer, tmp_path: Path, never: threading.Event
) -> None:
    hold = threading.Event()
    hurried = Transfer(UrlPolicy(server.origin), retries=RetryPolicy(total_s=0.3))
    with pytest.raises(InputError, match=r"longer than 0\.3 seconds"):
        hurried.fetch(server.put("/a", DATA, hold=hold), tmp_path, cancelled=never)
    hold.set()


def test_waits_grow_and_are_bounded() -> None:
    policy = RetryPolicy(first_wait_s=1.0, longest_wait_s=60.0)
    assert 0.5 <= policy.wait_s(1, None) <= 1.0
    assert 2.0 <= policy.wait_s(3, None) <= 4.0
    assert policy.wait_s(1, 30.0) == 30.0
    assert policy.wait_s(1, 9999.0) == policy.wait_s(99, None) == 60.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("-1", None),
        ("Wed, 99999999999999999999 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999", None),
    ],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds
