"""What a job's URLs may reach: other machines, this one, its files."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from support import needs
from support.file_server import FileServer, file_server
from support.transfer_data import DATA, KEY, QUICK, names

from node3nb.errors import InputError, UploadError
from node3nb.transfers.transfer import Transfer, UploadRefused
from node3nb.transfers.url_policy import UrlPolicy, UrlRefused, origin_of, shown


def test_redirects_are_followed_without_the_key(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    with file_server() as other:
        url = server.put("/a", redirect=other.put("/b", DATA))
        assert transfer.fetch(url, tmp_path, cancelled=never).read_bytes() == DATA
        assert server.requests[0].headers["X-API-Key"] == KEY["X-API-Key"]
        assert "X-API-Key" not in other.requests[0].headers


def test_redirects_are_bounded(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event
) -> None:
    server.put("/a", redirect="/a")
    with pytest.raises(InputError, match="more than 5 redirects"):
        transfer.fetch(f"{server.origin}/a", tmp_path, cancelled=never)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://169.254.169.254/", "gopher://x/", "http://\xff\\@x/"]
)
def test_redirects_obey_the_policy(
    server: FileServer, transfer: Transfer, tmp_path: Path, never: threading.Event, target: str
) -> None:
    with pytest.raises(InputError):
        transfer.fetch(server.put("/a", redirect=target), tmp_path, cancelled=never)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "x.localhost", "10.1.2.3", "192.168.1.1", "172.16.0.1"),
        *("169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "2130706433"),
        *(
            "0x7f.1",
            "168.63.129.16",
            "192.0.0.192",
            "[::1]",
            "[::]",
            "[::ffff:10.0.0.1]",
            "[fe80::1]",
        ),
        *("[fd00::1]", "[ff02::1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "[::127.0.0.1]"),
    ],
)
def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(UrlRefused):
        UrlPolicy("https://market.example").check(f"http://{host}:8080/x")
    UrlPolicy(allow_private_hosts=True).check(f"http://{host}:8080/x")


@pytest.mark.parametrize("host", ["example.org", "8.8.8.8", "[2606:4700::1111]"])
def test_public_addresses_are_not(host: str) -> None:
    UrlPolicy().check(f"https://{host}/x")


@pytest.mark.parametrize(
    "url", ["", "x", "http://", "http://a b/", "http://a:99999/", "http://a:0/", "http://a\\@b/"]
)
def test_malformed_urls_are_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        UrlPolicy(allow_private_hosts=True).check(url)


def test_the_marketplace_may_be_private() -> None:
    policy = UrlPolicy("http://10.0.0.5:8000/")
    policy.check("http://10.0.0.5:8000/api/jobs/1/input")
    for other in ("http://10.0.0.5:8001/", "https://10.0.0.5:8000/", "http://127.0.0.1:8000/"):
        with pytest.raises(UrlRefused):
            policy.check(other)


def test_origins_are_compared_as_browsers_do() -> None:
    assert origin_of("HTTPS://Market.Example./x") == origin_of("https://market.example:443")


def test_nothing_is_sent_to_a_name_that_turns_private(
    server: FileServer, tmp_path: Path, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public when it is checked, loopback when it is connected to."""
    port = server.server_address[1]
    answers = iter(["93.184.215.14"])

    def rebinding(*_: object, **__: object) -> list[object]:
        address = next(answers, "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(InputError, match="private network"):
        Transfer(UrlPolicy(), retries=QUICK).fetch(
            f"http://rebinding.example:{port}/a", tmp_path, cancelled=never
        )
    assert server.requests == []


def test_a_proxy_of_the_environment_is_used(
    server: FileServer, tmp_path: Path, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy only the host as it is written can be checked."""
    monkeypatch.setenv("http_proxy", server.origin)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.put("http://public.example/a", DATA)
    proxied = Transfer(UrlPolicy(), KEY, retries=QUICK)
    path = proxied.fetch("http://public.example/a", tmp_path, cancelled=never)
    assert path.read_bytes() == DATA
    assert "X-API-Key" not in server.requests[0].headers
    with pytest.raises(InputError, match="private network"):
        proxied.fetch("http://10.0.0.1/a", tmp_path, cancelled=never)
    assert len(server.requests) == 1


def test_a_name_of_this_machine_is_refused_unconnected(
    server: FileServer, tmp_path: Path, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.server_address[1]
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
    )
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    with pytest.raises(InputError, match="private network"):
        Transfer(UrlPolicy(), retries=QUICK).fetch(
            f"http://innocent.example:{port}/a", tmp_path, cancelled=never
        )


def test_https_is_checked_and_never_left(
    server: FileServer, tmp_path: Path, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "2")
    extra = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl = (needs.program("openssl"), "req", "-x509", *curve, *names, *extra)
    subprocess.run(openssl, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
    with file_server() as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        port = secure.server_address[1]
        transfer = Transfer(UrlPolicy(f"https://localhost:{port}"), KEY, retries=QUICK)
        secure.put("/a", DATA)
        path = transfer.fetch(f"https://localhost:{port}/a", tmp_path, cancelled=never)
        assert path.read_bytes() == DATA
        assert secure.requests[0].headers["X-API-Key"] == KEY["X-API-Key"]
        secure.put("/b", redirect=server.put("/c", DATA))
        with pytest.raises(InputError, match="away from https"):
            transfer.fetch(f"https://localhost:{port}/b", tmp_path, cancelled=never)
        with pytest.raises(InputError, match="private network"):
            Transfer(UrlPolicy()).fetch(f"https://localhost:{port}/a", tmp_path, cancelled=never)


def test_files_are_read_below_their_roots_only(tmp_path: Path, never: threading.Event) -> None:
    root, outside, into = tmp_path / "root", tmp_path / "outside", tmp_path / "into"
    for directory in (root, outside, into):
        directory.mkdir()
        (directory / "data").write_bytes(DATA)
    (into / "data").unlink()
    (root / "leak").symlink_to(outside / "data")
    (root / "alias").symlink_to(root / "data")
    os.mkfifo(root / "fifo")
    transfer = Transfer(UrlPolicy(file_roots=(root,)))
    assert transfer.fetch(f"file://{root}/data", into, cancelled=never).read_bytes() == DATA
    assert transfer.fetch(f"file://{root}/alias", into, cancelled=never).read_bytes() == DATA
    for bad in ("leak", "fifo", "../outside/data", "none", "", "data%00", "%2e%2e/outside/data"):
        with pytest.raises(InputError):
            transfer.fetch(f"file://{root}/{bad}", into, cancelled=never)
    with pytest.raises(InputError, match="opened to jobs"):
        Transfer(UrlPolicy()).fetch(f"file://{root}/data", into, cancelled=never)
    with pytest.raises(InputError, match="no local file"):
        transfer.fetch(f"file://elsewhere{root}/data", into, cancelled=never)


def test_files_are_written_below_their_roots_only(tmp_path: Path, never: threading.Event) -> None:
    root, source = tmp_path / "root", tmp_path / "source"
    root.mkdir()
    source.write_bytes(DATA)
    (root / "leak").symlink_to(tmp_path / "target")
    transfer = Transfer(UrlPolicy(file_roots=(root,)))
    for _ in range(2):
        transfer.send(source, f"file://{root}/out.tar.gz", cancelled=never)
    assert (root / "out.tar.gz").read_bytes() == DATA
    for bad in ("leak", "../target"):
        with pytest.raises(UploadRefused):
            transfer.send(source, f"file://{root}/{bad}", cancelled=never)
    with pytest.raises(UploadError):
        transfer.send(source, f"file://{root}/no/directory", cancelled=never)
    assert not (tmp_path / "target").exists()
    assert names(root) == ["leak", "out.tar.gz"]


def test_urls_are_shown_inert() -> None:
    assert shown("https://u:p@h/\x1b[2J?token=t#f") == "'https://h/\\x1b[2J'"
