"""A real kernel as a test uses it: run a cell, interrupt it, end it; every wait is bounded."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

#: Seconds a kernel gets to start, and a cell to end.
START_S, CELL_S = 60.0, 90.0


@dataclass
class Reply:
    """What became of one cell."""

    status: str = ""
    error: str = ""
    streams: dict[str, str] = field(default_factory=dict)
    #: What was displayed and not taken away, as `mime type: content`, in order.
    shown: list[dict[str, Any]] = field(default_factory=list)
    #: Displays that took the place of earlier ones, in order.
    updates: list[dict[str, Any]] = field(default_factory=list)
    #: How often everything displayed was taken away.
    cleared: int = 0

    @property
    def stdout(self) -> str:
        return self.streams.get("stdout", "")

    @property
    def stderr(self) -> str:
        return self.streams.get("stderr", "")

    @property
    def silent(self) -> bool:
        return not self.streams and not self.shown

    def hear(self, message: dict[str, Any]) -> None:
        content = message["content"]
        kind = message["header"]["msg_type"]
        if kind == "stream":
            heard = self.streams.get(content["name"], "")
            self.streams[content["name"]] = heard + content["text"]
        elif kind in {"execute_result", "display_data"}:
            self.shown.append(content["data"])
        elif kind == "update_display_data":
            self.updates.append(content["data"])
        elif kind == "clear_output":
            self.cleared += 1
            self.shown.clear()
            self.streams.clear()
        elif kind == "error":
            self.error = f"{content['ename']}: {content['evalue']}"


@dataclass
class Cell:
    """One cell that was started."""

    #: What the kernel calls the request.
    asked: str
    #: What has been heard of it.
    reply: Reply = field(default_factory=Reply)


class Kernel:
    """One kernel and a client of it."""

    def __init__(self, client: BlockingKernelClient, manager: KernelManager | None = None) -> None:
        self._manager = manager
        self.client = client
        self.client.start_channels()
        self.client.wait_for_ready(timeout=START_S)

    @classmethod
    def reached_by(cls, connection_file: str) -> Kernel:
        """Return a kernel that somebody else has started."""
        client = BlockingKernelClient(connection_file=connection_file)
        client.load_connection_file()
        return cls(client)

    @property
    def manager(self) -> KernelManager:
        """What started it and may end it."""
        assert self._manager is not None, "somebody else has started this kernel"
        return self._manager

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.process.pid)

    def begin(self, code: str, *, watched: bool = True) -> Cell:
        """Start a cell and return once the kernel has taken it up.

        Parameters
        ----------
        watched
            Whether a person could type; for a program that runs a notebook nobody can.
        """
        cell = Cell(self.client.execute(code, allow_stdin=watched))
        self._hear(cell, lambda kind, _: kind == "execute_input")
        return cell

    def await_printed(self, cell: Cell, text: str) -> None:
        """Wait until a cell that was started has printed something."""
        self._hear(cell, lambda *_: text in cell.reply.stdout)

    def await_shown(self, cell: Cell, text: str) -> None:
        """Wait until a cell that was started has displayed something, at first or later."""
        reply = cell.reply
        self._hear(cell, lambda *_: text in f"{reply.shown}{reply.updates}")

    def await_updates(self, cell: Cell, count: int) -> None:
        """Wait until a cell that was started has changed what it displays so often."""
        self._hear(cell, lambda *_: len(cell.reply.updates) >= count)

    def finish(self, cell: Cell) -> Reply:
        """Wait for the end of a cell that was started."""
        self._hear(
            cell,
            lambda kind, content: kind == "status" and content["execution_state"] == "idle",
        )
        cell.reply.status = self._shell_reply(cell.asked, time.monotonic() + CELL_S)["status"]
        return cell.reply

    def _hear(self, cell: Cell, until: Callable[[str, dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + CELL_S
        while True:
            left_s = max(0.1, deadline - time.monotonic())
            message = self.client.get_iopub_msg(timeout=left_s)
            if message["parent_header"].get("msg_id") != cell.asked:
                continue
            cell.reply.hear(message)
            if until(message["header"]["msg_type"], message["content"]):
                return

    def _shell_reply(self, asked: str, deadline: float) -> dict[str, Any]:
        while True:
            message = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == asked:
                return dict(message["content"])

    def run(self, code: str) -> Reply:
        """Run a cell that must succeed."""
        reply = self.finish(self.begin(code))
        assert reply.status == "ok", (code, reply)
        return reply

    def value(self, expression: str) -> Any:
        """Return what an expression of plain data is in the kernel."""
        reply = self.run(f"import json as _j; print(_j.dumps({expression}))")
        return json.loads(reply.stdout)

    def shown_outside_cells(self) -> list[dict[str, Any]]:
        """Return what has been printed or displayed since, and has not been read."""
        shown = []
        with contextlib.suppress(queue.Empty):
            while True:
                message = self.client.get_iopub_msg(timeout=0.2)
                if message["header"]["msg_type"] != "status":
                    shown.append(message)
        return shown


@contextlib.contextmanager
def kernel(
    home: Path,
    python: str = sys.executable,
    *,
    within: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Kernel]:
    """Start a kernel of this very Python, or of another, whose every file lies below `home`.

    Parameters
    ----------
    within
        A command that becomes the one that follows it.
    env
        Environment besides ours.
    """
    spec = home / "kernels" / "under_test"
    spec.mkdir(parents=True)
    argv = [*within, python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    told = {"argv": argv, "display_name": "under test", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(told))
    manager = KernelManager(
        kernel_name="under_test",
        kernel_spec_manager=KernelSpecManager(
            kernel_dirs=[str(spec.parent)], ensure_native_kernel=False
        ),
        connection_file=str(home / "kernel.json"),
        transport="ipc",
        ip=str(home / "k"),
    )
    ours = {**os.environ, "IPYTHONDIR": str(home / "ipython"), "NODE3_HOME": str(home)}
    manager.start_kernel(env={**ours, **(env or {})}, cwd=str(home))
    with contextlib.ExitStack() as ending:
        ending.callback(manager.cleanup_resources)
        ending.callback(_kill, manager)
        kernel = Kernel(manager.client(), manager)
        ending.callback(kernel.client.stop_channels)
        yield kernel


def _kill(manager: KernelManager) -> None:
    """End a kernel, if it lives, and whatever it should have ended itself."""
    if not manager.has_kernel:
        return
    started: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(manager.provisioner.process.pid).children(recursive=True)
    manager.shutdown_kernel(now=True)
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
