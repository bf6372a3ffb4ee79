"""What a container printed last is heard, however late its engine passes it on."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.orders import contained

from node3nb.supervisor.containers import logs, usage
from node3nb.supervisor.containers.container import Container
from node3nb.supervisor.containers.engine_api import EngineAPI
from node3nb.supervisor.containers.run import LOOK_S, Run
from node3nb.supervisor.frames import Frame

#: One piece of standard output as an engine sends it, by its documented framing.
WORDS = b"\x01\x00\x00\x00\x00\x00\x00\x06heard\n"


class Ended(Container):
    """A container that has ended as soon as it is started; its stream is the test's."""

    def __init__(self, place: Path) -> None:
        self.api, self.name = EngineAPI(str(place / "none.sock")), "ended"
        self.stream, self.engines_end = socket.socketpair()
        self.seen_ended = threading.Event()

    def start(self) -> None:
        """Have it run, and end."""

    def look(self) -> dict[str, Any]:
        """Return the state of one that has ended."""
        self.seen_ended.set()
        return {"Status": "exited", "ExitCode": 0, "OOMKilled": False}


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Ended]:
    made = Ended(tmp_path)
    yield made
    made.stream.close()
    made.engines_end.close()


def ran(container: Ended, place: Path, say: Callable[[], None]) -> tuple[Frame, str]:
    """Run it while its engine does something; return the account, and what is in the log."""
    for name in ("input", "output", "work", "log"):
        (place / name).mkdir()
    job = Run(contained(place), lambda _: None)
    engine = threading.Thread(target=say)
    engine.start()
    try:
        told = job.run(container, waits=False)
    finally:
        engine.join()
        job.close()
    return told, (place / "log" / "stdout").read_text()


def test_an_engine_may_take_its_time(container: Ended, tmp_path: Path) -> None:
    def late() -> None:
        container.seen_ended.wait(60)
        threading.Event().wait(3 * LOOK_S)
        container.engines_end.sendall(WORDS)
        container.engines_end.close()

    told, printed = ran(container, tmp_path, late)
    assert (told["reason"], told["exit_code"], printed) == ("exited", 0, "heard\n")
    assert not told["stdout_truncated"]


def test_what_never_comes_is_noted(
    container: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LAST_WORDS_S", 0.2)
    told, printed = ran(container, tmp_path, container.seen_ended.wait)
    assert (told["reason"], printed) == ("exited", "")
    assert (told["stdout_truncated"], told["stderr_truncated"]) == (True, True)


def test_a_connection_that_breaks_is_noted(container: Ended, tmp_path: Path) -> None:
    def broken() -> None:
        container.seen_ended.wait(60)
        container.stream.sendall(b"unread: whoever closes now resets the connection")
        container.engines_end.sendall(WORDS[:-3])
        container.engines_end.close()

    told, printed = ran(container, tmp_path, broken)
    assert (printed, told["stdout_truncated"]) == ("hea", True)


def test_a_job_that_has_ended_before_it_could_be_measured_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short ones were lost now and then: "could not be watched (No such process)"."""
    with subprocess.Popen(["sleep", "60"]) as job:

        def shown_and_gone(pid: int, controller: str) -> str:
            (tmp_path / "cgroup.procs").write_text(f"{pid}\n")
            if controller == "blkio":
                job.kill()
                job.wait()
            return str(tmp_path)

        monkeypatch.setattr(usage.cgroup_mounts, "of_process", shown_and_gone)
        nobody = EngineAPI(str(tmp_path / "none.sock"))
        meter = usage.meter(nobody, "gone", job.pid, 0, same_kernel=True)
    assert isinstance(meter, usage.EngineMeter)


def of_another_group(lines: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Return what reads files as where this test itself is in a group of its own."""
    return lambda path: ["0::/tests"] if path == "/proc/self/cgroup" else lines(path)


def test_a_job_that_was_not_reaped_yet_is_not_measured_as_the_whole_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage.cgroup_mounts, "of_process", lambda *_: str(tmp_path))
    (tmp_path / "cgroup.procs").write_text("1\n")
    monkeypatch.setattr(usage, "_lines", of_another_group(usage._lines))
    nobody = EngineAPI(str(tmp_path / "none.sock"))
    with subprocess.Popen(["true"]) as job:
        os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOWAIT)
        meter = usage.meter(nobody, "ended", job.pid, 0, same_kernel=True)
    assert isinstance(meter, usage.EngineMeter)


def test_disk_out_of_sight_is_none_only_of_a_group_that_is_gone(tmp_path: Path) -> None:
    places = dict.fromkeys(("memory", "cpuacct", "pids", "blkio"), str(tmp_path))
    meter = usage.GroupMeter(0, os.getpid(), places)
    assert meter.hidden_disk_bytes() == 0
    (tmp_path / "cgroup.procs").mkdir()
    with pytest.raises(OSError, match=os.strerror(errno.EISDIR)):
        meter.hidden_disk_bytes()
