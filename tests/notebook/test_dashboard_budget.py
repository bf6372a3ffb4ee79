"""What a dashboard sends, counted on the wire of a real kernel, headers and all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.kernel_client import Kernel

from node3nb.notebook.dashboard.allowance import RATE, SAVED
from node3nb.notebook.dashboard.feed import WATCHED_S

pytestmark = pytest.mark.timeout(240)
KIB = 1024
FLOODS = """import time
for n in range(10**9):
    print(n, 'x' * 1000, flush=True)
    time.sleep(0.001)
"""


@dataclass
class View:
    """A view of the dashboard, as a page has one: pings, and counts what comes."""

    kernel: Kernel
    comm: str

    def send(self, **content: Any) -> None:
        shell = self.kernel.client.shell_channel
        data = {"method": "custom", "content": {"view": "v", **content}}
        told = {"comm_id": self.comm, "data": data}
        shell.send(self.kernel.client.session.msg("comm_msg", told))

    def update(self, comm: str, **state: Any) -> None:
        """Ask the kernel to take a state, or for its whole state when none is given."""
        asked = {"method": "update", "state": state, "buffer_paths": []}
        data = asked if state else {"method": "request_state"}
        session = self.kernel.client.session
        told = session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.kernel.client.shell_channel.send(told)

    def heard(self, seconds: float) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield size and content of each message that comes within a time."""
        socket, session = self.kernel.client.iopub_channel.socket, self.kernel.client.session
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            if not socket.poll(left_s * 1000):
                return
            frames = socket.recv_multipart()
            _, parts = session.feed_identities(frames)
            message = session.deserialize(parts)
            if message["header"]["msg_type"] != "comm_msg":
                continue
            data = message["content"]["data"]
            if message["content"]["comm_id"] == self.comm and data["method"] == "custom":
                yield sum(map(len, frames)), data["content"]

    def heard_bytes(self, seconds: float) -> int:
        """Return the bytes of all comm messages and changed displays that come within a time."""
        socket, session = self.kernel.client.iopub_channel.socket, self.kernel.client.session
        until, heard = time.monotonic() + seconds, 0
        while (left_s := until - time.monotonic()) > 0 and socket.poll(left_s * 1000):
            frames = socket.recv_multipart()
            kind = json.loads(session.feed_identities(frames)[1][1])["msg_type"]
            heard += sum(map(len, frames)) if kind in {"comm_msg", "update_display_data"} else 0
        return heard


@pytest.fixture
def view(kernel: Kernel, start: str) -> View:
    kernel.run("%load_ext node3nb")
    kernel.run(f"p = {start} --slots 4")
    return View(kernel, kernel.value("p.dashboard().comm.comm_id"))


def test_what_is_sent_stays_within_the_budget(view: View, submit: str) -> None:
    view.send(kind="ping", new=True)
    size, first = next(view.heard(60))
    assert "whole" in first
    assert size <= 12 * KIB

    ticks = [size for size, _ in view.heard(5)]
    assert len(ticks) >= 2
    assert max(ticks) <= KIB

    for _ in range(30):
        view.kernel.run(f"{submit}\nprint(1)")
    view.kernel.run(f"{submit} -o job\n{FLOODS}")
    view.send(kind="watch", word=view.kernel.value("job.job_id"))
    began, sizes, logs = time.monotonic(), [], 0
    for size, told in view.heard(12):
        sizes.append(size)
        logs += "logs" in told
        assert len(json.dumps(told.get("rows", []))) <= 8 * KIB + 400
        assert len(json.dumps(told.get("logs", []))) <= 16 * KIB
    assert logs >= 2
    assert sum(sizes) <= SAVED + RATE * (time.monotonic() - began)


def test_a_provider_shows_its_dashboard_and_a_table_beside_it(view: View) -> None:
    for shown in (view.kernel.run("p").shown, view.kernel.run("%node3 dashboard").shown):
        widget, twin = shown
        assert "pip install jupyterlab_widgets" in widget["text/plain"]
        assert "application/vnd.jupyter.widget-view+json" in widget
        assert "running: " in twin["text/plain"]
        assert '<th scope="row"' in twin["text/html"]
    state = view.kernel.value("sorted(p.dashboard().get_state())")
    assert [name for name in state if not name.startswith("_")] == ["layout", "tabbable", "tooltip"]
    view.kernel.run("%unload_ext node3nb")
    view.send(kind="ping", new=True)
    assert [*view.heard(2)] == []


def test_nothing_is_sent_when_nobody_looks(view: View) -> None:
    assert [*view.heard(2)] == []
    view.send(kind="ping", new=True)
    assert "whole" in next(view.heard(60))[1]
    asked = time.monotonic()
    while [*view.heard(4)]:
        assert time.monotonic() < asked + WATCHED_S + 60
    assert time.monotonic() - asked >= WATCHED_S
    view.send(kind="act", word="pause", request="r1")
    told = [told for _, told in view.heard(3)]
    assert "whole" in told[0]
    assert any({"request": "r1", "problem": ""} in each.get("answers", []) for each in told)
    assert view.kernel.value("p.snapshot().state") == "paused"


def test_what_is_no_message_of_a_view_changes_nothing(view: View) -> None:
    view.send(kind="act", word="explode")
    view.send(kind="quota", limits={"slots": "9"})
    view.send(kind="quota", limits={"slots": 10**6}, request="r2")
    answers = [each for _, told in view.heard(4) for each in told.get("answers", [])]
    assert [each["request"] for each in answers] == ["r2"]
    assert answers[0]["problem"].startswith("slots: 1000000 is not between 1 and ")
    assert view.kernel.value("p.quota.now.slots") == 4


def test_a_flood_of_messages_stays_within_the_budget(view: View) -> None:
    view.kernel.run("from node3nb.notebook.dashboard.publisher import PUBLISHER")
    view.kernel.run("p")
    began = time.monotonic()
    for number in range(400):
        view.send(kind="ping", new=True)
        view.send(kind="act", word=("pause", "start")[number % 2], request=f"r{number}")
        view.send(kind="watch", word="x" * 128, request="r" * 128)
    heard = view.heard_bytes(20)
    assert heard <= SAVED + RATE * (time.monotonic() - began)
    assert view.kernel.value("PUBLISHER._work.qsize()") <= 100

    view.send(kind="act", word="pause", request="last")
    answers = [each for _, told in view.heard(20) for each in told.get("answers", [])]
    assert answers[-1] == {"request": "last", "problem": ""}


def test_no_page_writes_a_widget(view: View) -> None:
    view.kernel.run("w, c = p.dashboard(), p.controls()")
    widgets = ("w", "w.layout", "c", "c.layout", *(f"c.children[{at}]" for at in range(7)))
    states = [view.kernel.value(f"{name}.get_state()") for name in widgets]
    hostile = {"_esm": "x", "_css": "x", "value": "x", "description": "x", "display": "none"}
    for name in widgets:
        comm = view.kernel.value(f"{name}.comm.comm_id")
        view.update(comm, **hostile, children=[], tooltip="x")
    assert [view.kernel.value(f"{name}.get_state()") for name in widgets] == states


def test_a_widget_is_not_sent_whole_for_ever(view: View) -> None:
    whole = view.kernel.value("len(p.dashboard()._esm) + len(p.dashboard()._css)")
    for _ in range(200):
        view.update(view.comm)
    assert whole < view.heard_bytes(10) < 40 * whole
