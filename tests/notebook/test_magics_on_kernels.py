"""The magics through jupyter_client, on every version of ipykernel we stand for."""

from __future__ import annotations

import pytest
from support.kernel_client import Kernel
from support.other_kernels import any_kernel

__all__ = ["any_kernel"]

pytestmark = pytest.mark.timeout(180)

#: Runs until a file is there, and prints so that it is known to run.
LONG = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.02)\n"


def test_loading_again_and_reloading_change_nothing(any_kernel: Kernel) -> None:
    any_kernel.run("%load_ext node3nb")
    assert "usage: %node3 {start," in any_kernel.run("%node3").stdout
    any_kernel.run("%reload_ext node3nb")
    assert any_kernel.run("%%node3 run;\nprint(1)").silent
    any_kernel.run("%unload_ext node3nb\n%load_ext node3nb")
    assert "usage: %node3 start" in any_kernel.run("%node3 start --help").stdout


def test_a_cell_gets_and_gives_variables(any_kernel: Kernel) -> None:
    any_kernel.run("a = {'n': (1, 2**80), 'f': float('inf')}")
    reply = any_kernel.run("%%node3 run --in a --out b\nb = {**a, 'set': {1}}\nprint('done')")

    assert "completed (exit code 0)" in reply.shown[0]["text/plain"]
    assert "<strong>stdout</strong>" in reply.shown[0]["text/html"]
    assert any_kernel.value("b == {'n': (1, 2**80), 'f': float('inf'), 'set': {1}}")
    assert reply.cleared == 0, "a short run shows no progress"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%node3 strat", "There is no subcommand strat here; did you mean start?\nusage: %node3 {"),
        ("%node3 start --slot 2", "--slot here; did you mean --slots?\nusage: %node3 start ["),
        ("%node3 pause", "No provider runs; start one with"),
        ("%%node3 submit --keys /no/file\n1", "keys: /no/file is not there"),
    ],
)
def test_a_mistake_gets_a_sentence_and_no_traceback(
    any_kernel: Kernel, line: str, told: str
) -> None:
    reply = any_kernel.finish(any_kernel.begin(line))

    assert reply.status == "error"
    assert reply.stderr.startswith("UsageError: ")
    assert told in reply.stderr
    assert reply.error == "", "no traceback is shown"


def test_a_long_run_shows_its_progress_in_one_place_and_leaves_nothing(any_kernel: Kernel) -> None:
    any_kernel.run("%config Node3.progress_after_s = 0.1")
    cell = any_kernel.begin(f"%%node3 run -o ended\n{LONG}")
    any_kernel.await_updates(cell, 3)
    assert len(cell.reply.shown) == 1, "one display, updated in place"
    assert cell.reply.shown[0]["text/plain"].startswith("Job ")
    assert 'role="status"' in cell.reply.updates[-1]["text/html"]
    assert "running, " in cell.reply.updates[-1]["text/plain"]
    assert cell.reply.streams == {}

    any_kernel.manager.interrupt_kernel()
    reply = any_kernel.finish(cell)

    assert reply.cleared == 1
    told = "UsageError: You interrupted the cell: its job was cancelled and has ended.\n"
    assert (reply.status, reply.stderr) == ("error", told)
    assert len(reply.shown) == 1
    assert " cancelled" in reply.shown[0]["text/plain"]
    assert any_kernel.value("[ended.state, ended.stdout]") == ["cancelled", "begun\n"]


def test_nothing_is_shown_where_nobody_watches(any_kernel: Kernel) -> None:
    any_kernel.run("%config Node3.progress_after_s = 0.1")
    body = "import time\ntime.sleep(1)\nprint('done')"
    reply = any_kernel.finish(any_kernel.begin(f"%%node3 run -o ended;\n{body}", watched=False))

    assert (reply.status, reply.silent, reply.updates, reply.cleared) == ("ok", True, [], 0)
    assert any_kernel.value("ended.stdout") == "done\n"


def test_a_background_run_goes_on_beside_other_cells(any_kernel: Kernel) -> None:
    assert any_kernel.run(f"%%node3 run --background -o run;\n{LONG}").silent
    any_kernel.run(
        "import time\nwhile 'begun' not in run.logs().stdout: time.sleep(0.02)\n"
        "while not run.stands.startswith('running'): time.sleep(0.02)"
    )
    assert any_kernel.value("repr(run)").startswith("<CellRun ")
    assert any_kernel.value("run.result()") is None
    for code in ("run.logs(follow=True)", "print('begun', flush=True)\nrun.wait()"):
        cell = any_kernel.begin(code)
        any_kernel.await_printed(cell, "begun\n")
        any_kernel.manager.interrupt_kernel()
        assert any_kernel.finish(cell).error.startswith("KeyboardInterrupt")
        assert any_kernel.value("run.running"), "only the looking has ended"

    any_kernel.run("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})")
    cell = any_kernel.begin("print('begun', flush=True)\nrun.wait()")
    any_kernel.await_printed(cell, "begun\n")
    any_kernel.manager.interrupt_kernel()
    assert any_kernel.finish(cell).error.startswith("KeyboardInterrupt"), "another thread was told"
    any_kernel.run("signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})")

    any_kernel.run("run.cancel(); run.wait(60);")

    assert any_kernel.value("run.stands") == "cancelled"


def test_a_job_goes_to_a_provider_and_back(any_kernel: Kernel) -> None:
    any_kernel.run("%config Node3.progress_after_s = 2\n_ = %node3 market start")
    assert any_kernel.run("p = %node3 start --native-only").silent
    any_kernel.run("%%node3 submit --wait --out n -o answer;\nn = 6 * 7")
    assert any_kernel.value("[answer.state, n]") == ["completed", 42]
    any_kernel.run("jobs = %node3 jobs\nframe = %node3 jobs --pandas\nhistory = %node3 history")
    assert any_kernel.value("[len(jobs), len(frame), history[0].job.stands]") == [
        1,
        1,
        "completed",
    ]
    any_kernel.run("%node3 stop;\n%node3 market stop")
    assert any_kernel.shown_outside_cells() == []
