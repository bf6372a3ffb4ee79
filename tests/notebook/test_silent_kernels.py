"""Kernels that fall silent, are killed, or whose clock is wrong: what their jobs come to.

The marketplace's clock stands still unless a test moves it: a lease of 90 s ends when the test
says that 90 s have passed, however fast the machine is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from agent.agent_parts import Market, eventually
from marketplace.market_parts import SetClock
from support import needs
from support.gates import WAITS, let_go
from support.kernel_client import Cell, Kernel
from support.kernel_client import kernel as new_kernel

from node3nb import config
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.wire.protocol import Completion

pytestmark = pytest.mark.timeout(240)

#: Seconds between two heartbeats of the kernels' providers.
HEARTBEAT_S = 0.2
#: Seconds that a kernel is silent at the least: many heartbeats.
SILENT_S = 10 * HEARTBEAT_S
WAITING = ["python", "-c", WAITS]
#: A cell that makes one call into C that keeps the interpreter's lock (ctypes.PyDLL), until
#: something comes through a FIFO; a thread beside it tells how long nothing else could run.
HOLD = """
import ctypes, os, signal, threading, time
ticks, over = [time.monotonic()], threading.Event()
def tick():
    while not over.wait(0.01):
        ticks.append(time.monotonic())
ticker = threading.Thread(target=tick)
ticker.start()
fifo = os.open("let-go", os.O_RDWR)
print("ready", flush=True)
while not os.path.exists("hold"):
    time.sleep(0.01)
open("held", "w").close()
before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
libc, byte = ctypes.PyDLL(None), ctypes.create_string_buffer(1)
while libc.read(fifo, byte, 1) != 1:
    pass
signal.pthread_sigmask(signal.SIG_SETMASK, before)
over.set()
ticker.join()
silent_s = max(after - before for before, after in zip(ticks, ticks[1:] + [time.monotonic()]))
"""
CLOCK = Path(__file__).parents[1] / "programs" / "clock_ahead.c"
WHEN = "2026-01-01T00:00:00+00:00"


@dataclass
class Scene:
    """A marketplace whose clock is a test's, and a home of kernels."""

    market: Market
    clock: SetClock
    home: Path
    #: How a kernel starts its provider.
    start: str = field(init=False)

    def __post_init__(self) -> None:
        self.start = (
            "from node3nb import Provider\n"
            "from node3nb.agent.settings import Settings\n"
            f"chosen = Settings(max_concurrent_jobs=2, heartbeat_s={HEARTBEAT_S}, poll_s=0.1,\n"
            "    wait_s=1.0, keep_s=3600)\n"
            f"p = Provider({self.market.url!r}, docker_manager=None, settings=chosen).start()\n"
        )

    def running_job(self, kernel: Kernel, reward: float = 0.0) -> str:
        """Return a job that the provider of a kernel runs, as the marketplace knows."""
        kernel.run(self.start)
        job_id = self.market.submit(WAITING, reward=reward)
        eventually(self.begun)
        self.market.until(job_id, "running")
        return job_id

    def hold(self, kernel: Kernel) -> Cell:
        """Have a cell of a kernel hold the interpreter."""
        os.mkfifo(self.home / "let-go")
        cell = kernel.begin(HOLD)
        kernel.await_printed(cell, "ready")
        (self.home / "hold").touch()
        eventually((self.home / "held").exists)
        time.sleep(SILENT_S)
        return cell

    def let_on(self, kernel: Kernel, cell: Cell) -> None:
        """Have the cell end; see that nothing else has run meanwhile."""
        (self.home / "let-go").write_bytes(b"x")
        assert kernel.finish(cell).status == "ok"
        assert kernel.value("silent_s") >= SILENT_S

    def begun(self) -> bool:
        """Whether a job of WAITS runs."""
        logs = config.work_dir().glob("provider-*/*/log/stdout")
        return any("begun" in log.read_text() for log in logs)

    def events(self, job_id: str) -> list[str]:
        return [each["event"] for each in self.market.client.job(job_id).history]


@pytest.fixture
def scene(tmp_path: Path, node3_home: Path) -> Iterator[Scene]:
    settings = Settings(tmp_path / "market", sweep_s=HEARTBEAT_S)
    clock = SetClock(time.time())
    with running(settings, clock) as url:
        yield Scene(Market(url, settings.data_dir), clock, node3_home)


def test_eighty_seconds_of_silence_cost_nothing(scene: Scene, kernel: Kernel) -> None:
    market = scene.market
    job_id = scene.running_job(kernel)
    cell = scene.hold(kernel)
    scene.clock.advance(80)
    let_go()
    time.sleep(5 * HEARTBEAT_S)
    assert market.client.job(job_id).status == "running"
    scene.let_on(kernel, cell)
    view = market.wait(job_id)
    assert (view.status, view.attempts) == ("completed", 1)
    eventually(lambda: kernel.value("p.snapshot().completed") == 1)
    assert scene.events(job_id).count("completed") == 1


def test_a_result_of_a_longer_silence_counts_while_nobody_else_has_the_job(
    scene: Scene, kernel: Kernel
) -> None:
    market = scene.market
    job_id = scene.running_job(kernel, reward=0.5)
    cell = scene.hold(kernel)
    scene.clock.advance(100)
    market.until(job_id, "available")
    let_go()
    scene.let_on(kernel, cell)
    assert market.wait(job_id).status == "completed"
    eventually(lambda: kernel.value("p.snapshot().completed") == 1)
    assert kernel.value("p.snapshot().earned") == 0.5
    assert scene.events(job_id).count("completed") == 1


def test_a_job_that_somebody_else_has_by_then_is_ended_at_once(
    scene: Scene, kernel: Kernel
) -> None:
    market = scene.market
    job_id = scene.running_job(kernel)
    cell = scene.hold(kernel)
    scene.clock.advance(100)
    market.until(job_id, "available")
    other = type(market.client)(market.url, market.agent())
    lease_id = other.accept(job_id, "0xother").lease_id
    scene.let_on(kernel, cell)
    eventually(lambda: list(config.work_dir().glob("provider-*/*")) == [])
    assert kernel.value("p.snapshot().completed") == 0
    done = Completion(started_at=WHEN, completed_at=WHEN, duration=1.0, lease_id=lease_id)
    other.complete(job_id, done)
    assert market.wait(job_id).status == "completed"
    assert scene.events(job_id).count("completed") == 1
    other.hang_up()


def test_what_a_killed_kernel_had_is_given_back_by_the_next_at_once(
    scene: Scene, kernel: Kernel
) -> None:
    """No time passes for the marketplace: the lease can't have run out."""
    market = scene.market
    kernel.run(scene.start)
    job_id = market.submit(WAITING)
    eventually(scene.begun)
    os.kill(kernel.pid, signal.SIGKILL)
    env = {"NODE3_HOME": str(scene.home)}
    with new_kernel(scene.home / "next", env=env) as following:
        following.run(scene.start)
        eventually(lambda: "released" in scene.events(job_id))
        eventually(scene.begun)
        let_go()
        view = market.wait(job_id)
    assert (view.status, view.attempts) == ("completed", 1)


@pytest.fixture
def wrong_clock(tmp_path: Path) -> dict[str, str]:
    """What has a kernel's wall clock go wrong by as much as CLOCK_AHEAD_S says at each moment."""
    library = tmp_path / "clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, CLOCK], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_AHEAD_S": "600"}


@needs.lacking(shutil.which("gcc") is None, "a clock is made to go wrong by a library in C")
def test_a_clock_that_is_wrong_and_jumps(
    scene: Scene, node3_home: Path, wrong_clock: dict[str, str]
) -> None:
    market = scene.market
    with new_kernel(node3_home, env=wrong_clock) as kernel:
        kernel.run(scene.start + "import os, time")
        assert abs(kernel.value("time.time()") - time.time() - 600) < 300
        failed = market.submit(["false"])
        assert market.wait(failed).status == "failed"
        kept = eventually(lambda: kernel.value(f"p._manager._common.book.find({failed!r}).kept"))
        job_id = market.submit(WAITING)
        eventually(scene.begun)
        for ahead_s in (-600, 86_400, -86_400, 600):
            kernel.run(f"os.environ['CLOCK_AHEAD_S'] = '{ahead_s}'")
            assert abs(kernel.value("time.time()") - time.time() - ahead_s) < 300
            time.sleep(5 * HEARTBEAT_S)
            assert market.result(market.submit(["true"])).ok
        assert Path(kept).exists()
        let_go()
        result = market.result(job_id)
        assert result.ok
        assert 0 <= result.wall_s < 600
        assert market.client.job(job_id).attempts == 1
        eventually(lambda: kernel.value("p.snapshot().undelivered") == 0)
        assert not any(kernel.value("[each.trouble for each in p.events()]"))
