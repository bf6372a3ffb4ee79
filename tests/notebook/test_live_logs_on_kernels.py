"""What a submitted job prints is in the notebook while the job runs."""

from __future__ import annotations

from support.kernel_client import Kernel

TALKS = """%%node3 submit {options}
import time
print("seen", "live", flush=True)
time.sleep(600)"""


def test_a_cell_that_waits_shows_the_last_lines_and_a_handle_prints_them(kernel: Kernel) -> None:
    kernel.run("%load_ext node3nb\n_ = %node3 market start")
    kernel.run("%config Node3.progress_after_s = 0.1\n%node3 start --native-only;")
    waits = kernel.begin(TALKS.format(options="--wait -o job"))
    kernel.await_shown(waits, "seen live")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(waits).status == "error"

    follows = kernel.begin("job.logs(follow=True)")
    kernel.await_printed(follows, "seen live\n")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(follows).status == "error"
    assert kernel.value("job.logs().stdout") == "seen live\n"

    kernel.run("job.cancel()")
    assert kernel.run("job.logs(follow=True)").stdout == "seen live\n"
    assert kernel.value("job.status()") == "cancelled"
    kernel.run("%node3 stop;\n%node3 market stop")
