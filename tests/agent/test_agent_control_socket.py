"""The control socket: for its owner alone, and patient with whoever talks to it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.agent_parts import BOUND_S, Market, provider

from node3nb import config, control
from node3nb.errors import Node3Error, NotRunning
from node3nb.provider import Provider


@pytest.fixture
def running(market: Market) -> Iterator[Provider]:
    with provider(market.url, wait_s=60.0) as one:
        yield one


def connect() -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(BOUND_S)
    connection.connect(os.fspath(config.control_socket()))
    return connection


def said(content: bytes) -> bytes:
    """Return all that is answered to some bytes."""
    with connect() as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as reader:
            return reader.read()


def test_it_is_for_its_owner_alone(running: Provider) -> None:
    path = config.control_socket()
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_answers_how_things_are(running: Provider) -> None:
    told = control.ask(config.control_socket(), "status")
    assert told == json.loads(json.dumps(running.snapshot().to_dict()))
    assert control.sockets(config.control_dir()) == {os.getpid(): config.control_socket()}


def test_the_next_provider_removes_what_a_killed_one_has_left(market: Market) -> None:
    directory = config.control_dir()
    dead, living = directory / f"{dead_pid()}.sock", directory / f"{os.getppid()}.sock"
    with contextlib.ExitStack() as listening:
        for path in (dead, living):
            listening.enter_context(socket.socket(socket.AF_UNIX)).bind(os.fspath(path))
    with provider(market.url):
        assert not dead.exists()
        assert living.exists()


def test_a_provider_in_another_container_keeps_its_socket(market: Market) -> None:
    """Its process id means nothing here."""
    path = config.control_dir() / f"{dead_pid()}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        with provider(market.url):
            assert path.exists()


def dead_pid() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_it_controls(running: Provider) -> None:
    path = config.control_socket()
    assert control.ask(path, "pause")["state"] == "paused"
    assert control.ask(path, "resume")["state"] == "running"
    assert control.ask(path, "stop")["state"] == "stopping"
    running.join(BOUND_S)
    assert not path.exists()
    with pytest.raises(NotRunning):
        control.ask(path, "status")


def test_it_refuses_in_words(running: Provider) -> None:
    with pytest.raises(Node3Error, match="Use one of: status, pause, resume, drain, stop"):
        control.ask(config.control_socket(), "format")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\xff\xfe\n", b"status\0\n", b"{}\n", b"x" * 100_000, b"x" * 100_000 + b"\n"],
    ids=["nothing", "empty", "bytes", "nul", "json", "endless", "long"],
)
def test_it_bears_garbage(running: Provider, content: bytes) -> None:
    assert json.loads(said(content))["error"].startswith("Use one of")
    assert control.ask(config.control_socket(), "status")["state"] == "running"


def test_who_says_nothing_holds_up_nobody(running: Provider) -> None:
    silent = [connect() for _ in range(20)]
    assert control.ask(config.control_socket(), "status")["state"] == "running"
    silent[0].sendall(b"sta")
    running.stop(BOUND_S)
    assert not running.running
    for connection in silent:
        assert connection.recv(1) == b""
        connection.close()


def test_who_leaves_early_does_no_harm(running: Provider) -> None:
    for _ in range(20):
        with connect() as connection:
            connection.sendall(b"status\n")
    assert control.ask(config.control_socket(), "status")["state"] == "running"


def test_a_provider_that_is_busy_is_not_taken_for_dead(running: Provider) -> None:
    """Its loop is held up, as a cell that holds the interpreter does."""
    free, held = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        free.wait(BOUND_S)

    loop = running._manager._common.standing._loop
    assert loop is not None
    loop.call_soon_threadsafe(hold)
    held.wait(BOUND_S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "ANSWER_S", 0.2)
        with pytest.raises(Node3Error, match="does not answer now"):
            control.ask(config.control_socket(), "status")
        assert control.sockets(config.control_dir()) == {os.getpid(): config.control_socket()}
    free.set()
    assert control.ask(config.control_socket(), "status")["state"] == "running"


def test_sockets_of_the_dead_are_removed() -> None:
    directory = config.control_dir()
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(os.fspath(directory / "12345.sock"))
    dead.close()
    (directory / "no-number.sock").touch()
    assert control.sockets(directory) == {}
    assert [path.name for path in directory.iterdir()] == ["no-number.sock"]


def test_a_socket_of_the_dead_is_in_nobodys_way(market: Market) -> None:
    path = Path(config.control_socket())
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(os.fspath(path))
    dead.close()
    with provider(market.url):
        assert control.ask(path, "status")["state"] == "running"
