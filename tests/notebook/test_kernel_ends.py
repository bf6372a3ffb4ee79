"""However a kernel ends, nothing it has started outlives it; an interrupt ends nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import needs
from support.kernel_client import Kernel
from support.kernel_deaths import Deaths, await_marked, below

PROGRAM = Path(__file__).parent / "programs" / "daemon.py"

pytestmark = [
    pytest.mark.timeout(100),
    needs.lacking(not hasattr(os, "pidfd_open"), "deaths are watched by pidfd"),
]


def kill(kernel: Kernel) -> None:
    os.kill(kernel.pid, signal.SIGKILL)


def shut_down(kernel: Kernel) -> None:
    kernel.client.shutdown()


def restart(kernel: Kernel) -> None:
    kernel.manager.restart_kernel(now=False)


def shut_down_or_kill(kernel: Kernel) -> None:
    kernel.manager.shutdown_kernel(now=False)


@pytest.fixture
def busy(kernel: Kernel) -> Iterator[Kernel]:
    """A kernel with a marketplace, a provider, and a job that has left a daemon behind."""
    kernel.run("%load_ext node3nb")
    kernel.run("_ = %node3 market start\n_ = %node3 start --native-only")
    kernel.run(f"%%node3 submit --env MARK=job-of-{kernel.pid} -o job;\n{PROGRAM.read_text()}")
    await_marked(kernel.pid, f"job-of-{kernel.pid}")
    return kernel


@pytest.fixture
def watch() -> Iterator[Callable[[Kernel], Deaths]]:
    """Watches everything below a kernel."""
    watches: list[Deaths] = []

    def begin(kernel: Kernel) -> Deaths:
        watches.append(Deaths([process.pid for process in below(kernel.pid)]))
        return watches[-1]

    yield begin
    for each in watches:
        each.close()


@pytest.mark.parametrize("end", [kill, shut_down, restart])
def test_nothing_outlives_a_kernel(
    busy: Kernel,
    watch: Callable[[Kernel], Deaths],
    end: Callable[[Kernel], None],
    record_property: Callable[[str, object], None],
) -> None:
    deaths = watch(busy)
    assert len(deaths.alive()) >= 4, "marketplace, supervisor, job and daemon"

    kernel = Deaths([busy.pid])
    end(busy)
    kernel.wait()
    kernel.close()

    record_property(f"seconds_after_{end.__name__}", deaths.wait())


def test_a_job_lives_through_an_interrupt(busy: Kernel, watch: Callable[[Kernel], Deaths]) -> None:
    deaths = watch(busy)
    before = deaths.alive()
    cell = busy.begin("import time; print('asleep'); time.sleep(600)")
    busy.await_printed(cell, "asleep")

    busy.manager.interrupt_kernel()

    assert busy.finish(cell).error.startswith("KeyboardInterrupt")
    busy.run("jobs = %node3 jobs")
    assert busy.value("[each.state for each in jobs]") == ["running"]
    assert deaths.alive() == before


def test_a_stopped_provider_leaves_no_daemon(
    busy: Kernel, watch: Callable[[Kernel], Deaths]
) -> None:
    deaths = watch(busy)

    busy.run("%node3 stop;")
    busy.run("%node3 market stop")

    deaths.wait()


@pytest.mark.parametrize("end", [kill, shut_down_or_kill])
def test_a_cell_that_runs_as_a_job_ends_with_its_kernel(
    kernel: Kernel, watch: Callable[[Kernel], Deaths], end: Callable[[Kernel], None]
) -> None:
    kernel.run("%load_ext node3nb")
    kernel.begin(f"%%node3 run --env MARK=cell-of-{kernel.pid}\n{PROGRAM.read_text()}")
    await_marked(kernel.pid, f"cell-of-{kernel.pid}")
    deaths = watch(kernel)

    end(kernel)

    deaths.wait()


def test_an_interrupt_cancels_the_cell_that_runs_as_a_job(
    kernel: Kernel, watch: Callable[[Kernel], Deaths]
) -> None:
    kernel.run("%load_ext node3nb")
    code = "print('begun', flush=True)\n" + PROGRAM.read_text()
    cell = kernel.begin(f"%%node3 run -o ended --env MARK=cell-of-{kernel.pid}\n{code}")
    daemon = await_marked(kernel.pid, f"cell-of-{kernel.pid}")
    deaths = Deaths([daemon.pid])

    kernel.manager.interrupt_kernel()
    reply = kernel.finish(cell)

    assert reply.status == "error"
    assert (
        reply.stderr
        == "UsageError: You interrupted the cell: its job was cancelled and has ended.\n"
    )
    assert "cancelled" in reply.shown[0]["text/plain"]
    assert kernel.value("[ended.state, ended.reason, ended.stdout]") == [
        "cancelled",
        "cancelled",
        "begun\n",
    ]
    deaths.wait()
    deaths.close()
    assert kernel.run("%%node3 run -o next;\nprint('next')").silent
    assert kernel.value("next.stdout") == "next\n"


def test_an_interrupt_ends_the_waiting_for_a_submitted_cell_and_not_its_job(kernel: Kernel) -> None:
    kernel.run("%load_ext node3nb\n_ = %node3 market start")
    cell = kernel.begin("%%node3 submit --wait -o job\nprint('done')")
    kernel.await_printed(cell, "The job waits for a provider")

    kernel.manager.interrupt_kernel()
    reply = kernel.finish(cell)

    assert reply.status == "error"
    job_id = kernel.value("job.job_id")
    told = f"You stopped waiting; job {job_id} goes on, and this is its handle."
    assert reply.stderr == f"UsageError: {told}\n"
    assert reply.shown[0]["text/plain"].startswith(f"<SubmittedJob {job_id} at http://")
    assert kernel.value("job.status()") == "available"
    kernel.run("%node3 start --native-only;")
    assert kernel.value("job.wait(60).stdout") == "done\n"
