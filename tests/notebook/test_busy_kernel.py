"""A kernel that is busy with a cell: jobs keep their limits, controls answer, nobody prints."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

import pytest
from support.kernel_client import Kernel
from support.kernel_deaths import BEGIN_S

from node3nb import config, control

pytestmark = pytest.mark.timeout(180)

#: Seconds for which a cell keeps every other thread of its kernel from running.
HOLD_S = 20
#: The limit of the jobs that run meanwhile, in seconds.
TIMEOUT_S = 3

#: One call into C that never lets go of the GIL: no byte code runs before its time is over.
HOLD_GIL = f"""
import threading, time

def tick():
    while not over.wait(0.01):
        ticks.append(time.time())

ticks, over = [], threading.Event()
ticker = threading.Thread(target=tick)
ticker.start()
held_from, deadline = time.time(), time.monotonic() + {HOLD_S}
any(map(deadline.__lt__, iter(time.monotonic, None)))
held_until = time.time()
over.set()
ticker.join()
ticked = sum(held_from + 0.1 < at < held_until for at in ticks)
"""

#: A job of this notebook's own, awaited by a thread beside the cells.
RUN_BESIDE = f"""
import threading
from node3nb import JobSpec, NativeExecutor, ResourceLimits
from node3nb.executor import SilentReporter
from node3nb.local_run import run_here

class Reporter(SilentReporter):
    def state(self, state):
        if state == "running":
            running.set()

executor, beside, running = NativeExecutor(), [], threading.Event()
spec = JobSpec(
    command=("python", "-c", "while True: pass"), limits=ResourceLimits(timeout_s={TIMEOUT_S})
)
def run():
    beside.append(run_here(spec, [executor], reporter=Reporter()))
thread = threading.Thread(target=run, daemon=True)
thread.start()
running.wait({BEGIN_S})
"""

SUBMIT = f"""%%node3 submit --timeout {TIMEOUT_S} -o job;
while True:
    pass
"""


@pytest.fixture
def provider(kernel: Kernel) -> Kernel:
    """A kernel with a marketplace and a provider of it."""
    kernel.run("%load_ext node3nb")
    assert kernel.run("m = %node3 market start\np = %node3 start --native-only --slots 2").silent
    return kernel


def await_running(kernel: Kernel, count: int) -> None:
    """Wait, without a cell, until so many of the provider's jobs run."""
    socket = config.control_dir() / f"{kernel.pid}.sock"
    deadline = time.monotonic() + BEGIN_S
    while time.monotonic() < deadline:
        states = [job["state"] for job in control.ask(socket, "status")["jobs"]]
        if states.count("running") == count:
            return
        time.sleep(0.02)
    raise AssertionError(f"{count} jobs should run: {states}")


def test_jobs_are_killed_on_time_while_a_cell_holds_the_gil(
    provider: Kernel, record_property: Callable[[str, object], None]
) -> None:
    provider.run(SUBMIT)
    await_running(provider, 1)
    provider.run(RUN_BESIDE)

    provider.run(HOLD_GIL)
    provider.run("thread.join(60); ended = [beside[0], job.wait(60)]; executor.close()")

    assert provider.value("ticked") < HOLD_S, "the cell must hold the GIL"
    held_from, held_until = provider.value("[held_from, held_until]")
    reported = provider.value("[[r.reason, r.started_at, r.wall_s] for r in ended]")
    for reason, started_at, wall_s in reported:
        record_property("wall_s", wall_s)
        assert reason == "timed_out"
        ended_at = dt.datetime.fromisoformat(started_at).timestamp() + wall_s
        assert held_from < ended_at < held_until
        assert TIMEOUT_S <= wall_s < HOLD_S


def test_the_provider_obeys_from_outside_while_a_cell_sleeps(provider: Kernel) -> None:
    socket = config.control_dir() / f"{provider.pid}.sock"
    cell = provider.begin("import time; print('asleep'); time.sleep(600)")
    provider.await_printed(cell, "asleep")

    assert control.ask(socket, "status")["state"] == "running"
    assert control.ask(socket, "pause")["state"] == "paused"
    assert control.ask(socket, "resume")["state"] == "running"
    assert control.ask(socket, "stop")["state"] == "stopping"

    provider.manager.interrupt_kernel()
    provider.finish(cell)
    provider.run("p.join(30); now = %node3 status")
    assert provider.value("now.state") == "stopped"


def test_nothing_is_printed_into_cells_by_other_threads(provider: Kernel) -> None:
    provider.run("%%node3 submit -o job;\nprint('into the log, not into the notebook')")
    assert provider.run("result = job.wait(60)").silent
    assert provider.run("m.stop()").silent
    reply = provider.run(
        "import time\n"
        'while not any("can\'t be reached" in entry.text for entry in p.events()):\n'
        "    time.sleep(0.02)\n"
        "why = %node3 why"
    )

    assert reply.silent, "a dead marketplace is told by `why` only"
    assert "can't be reached" in provider.value("repr(why)")
    assert provider.shown_outside_cells() == []
