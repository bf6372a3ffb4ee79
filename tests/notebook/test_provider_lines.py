"""The lines that run a provider and a marketplace, and the cells that go to one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.base_marketplace import BaseMarketplace
from support.kernel_cells import Cells
from support.native_jobs import wait_until

from node3nb import JobResult, Provider
from node3nb.errors import AlreadyRunning
from node3nb.marketplace.process import MarketplaceProcess
from node3nb.notebook.submitted import SubmittedJob


def test_a_semicolon_silences_the_display_and_not_the_value(cells: Cells, start: str) -> None:
    provider = cells.run(f"p = {start};\np")
    assert isinstance(provider, Provider)
    assert cells.run("%node3 status;") is None
    assert cells.run("now = %node3 status;\nnow.state") == "running"
    assert cells.run("%%node3 run -o kept;\nprint(1)") is None
    assert cells.shell.user_ns["kept"].stdout == "1\n"


def test_a_second_start_says_so_and_returns_the_first(
    cells: Cells, start: str, market_url: str
) -> None:
    first = cells.run(start)
    cells.shell.user_ns["p"] = None

    assert cells.run(f"p = {start} --slots 2\np") is first
    assert cells.stdout.startswith(f"A provider runs already, for {market_url}: this is it.\n")


def test_a_cell_that_starts_one_in_python_is_run_again_without_a_traceback(
    cells: Cells, start: str, market_url: str
) -> None:
    cells.run(f"from node3nb import Provider\np = {start}")
    with pytest.raises(AlreadyRunning):
        cells.run(f"Provider({market_url!r}).start()")
    assert cells.stdout.strip() == (
        "AlreadyRunning: A provider runs in this process already: `Provider.current()`; "
        "stop it to start another."
    )
    assert cells.run("Provider.current() is p and p.running")


def test_the_provider_is_steered(cells: Cells, start: str) -> None:
    cells.run(start)

    assert cells.run("%node3 pause").state == "paused"
    assert "You paused it." in repr(cells.run("%node3 why"))
    assert cells.run("%node3 resume").state == "running"
    assert cells.run("%node3 drain").state in {"draining", "stopping", "stopped"}
    cells.run("_p = %node3 start\n_p.join(30)")
    assert cells.run("%node3 status").state == "stopped"
    assert "No provider runs" in cells.refusal("%node3 resume")
    assert cells.run("%node3 stop").state == "stopped"
    assert cells.run(start).running


def test_a_cell_goes_to_a_marketplace_and_its_result_comes_back(
    cells: Cells, start: str, submit: str
) -> None:
    cells.run(start)
    result = cells.run(f"{submit} --wait --reward 0.5 --memory 512M\nprint('$5 {{}}')")
    assert isinstance(result, JobResult)
    assert (result.state, result.stdout) == ("completed", "$5 {}\n")

    job = cells.run(f"{submit} --timeout 60 -o job\nimport sys; sys.exit('no')")
    assert isinstance(job, SubmittedJob)
    ended = job.wait(60)
    assert (ended.state, ended.exit_code, ended.stderr) == ("failed", 1, "no\n")
    assert job.result() == ended
    assert (job.status(), job.view().attempts) == ("failed", 1)

    jobs = cells.run("%node3 jobs")
    assert [each.job_id for each in jobs] == [job.job_id, result.job_id]
    assert len(jobs) == 2
    assert list(jobs[:1]) == [jobs[0]]
    assert cells.run("%node3 logs {job.job_id}").stderr == "no\n"
    assert cells.run(f"%node3 logs {job.job_id[:9]}").stderr == "no\n"
    assert cells.refusal("%node3 logs nobody").startswith("There is no job nobody here. `%node3")


def test_a_job_nobody_runs_can_be_awaited_for_a_while_and_called_off(
    cells: Cells, submit: str
) -> None:
    job = cells.run(f"{submit}\nprint(1)")

    assert job.status() == "available"
    assert job.result() is None
    with pytest.raises(TimeoutError, match="is still available"):
        job.wait(timeout_s=0.05)
    job.cancel()
    assert (job.wait().state, job.status()) == ("cancelled", "cancelled")
    assert "cancelled" in repr(job)


def test_outputs_of_a_submitted_cell_can_be_fetched(
    cells: Cells, start: str, submit: str, tmp_path: Path
) -> None:
    cells.run(start)
    body = "import os; open(os.environ['OUTPUT_DIR'] + '/o.txt', 'w').write('kept')"
    job = cells.run(f"{submit} -o job\n{body}")
    assert job.wait(60).ok

    assert (job.save_outputs(tmp_path / "outputs") / "o.txt").read_text() == "kept"


def test_a_submitted_cell_gets_and_gives_variables(
    cells: Cells, start: str, submit: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "n.txt").write_text("2")
    cells.run(start)
    cells.run("import numpy as np; a = np.arange(3)")
    body = (
        "import os\n"
        "b = {'n': a * int(open(os.environ['INPUT_DIR'] + '/n.txt').read())}\n"
        "open(os.environ['OUTPUT_DIR'] + '/o.txt', 'w').write('kept')\n"
    )
    line = f"{submit} --in a --out b --input {tmp_path}/in"
    result = cells.run(f"{line} --wait -o kept\n{body}")
    assert result.ok, (result.message, result.stderr)
    assert cells.shell.user_ns["b"]["n"].tolist() == [0, 2, 4]

    cells.shell.user_ns.pop("b")
    job = cells.run(f"{line}\n{body}")
    assert job.wait(60).ok
    assert cells.shell.user_ns["b"]["n"].tolist() == [0, 2, 4]
    saved = job.save_outputs(tmp_path / "out")
    assert [path.name for path in saved.iterdir()] == ["o.txt"]
    job.logs(follow=True)

    missing = cells.refusal(f"{submit} --in nobody\npass")
    assert missing.startswith("--in nobody: the notebook has no such variable")


def test_a_provider_that_spoils_variables_gives_a_sentence(
    cells: Cells, start: str, submit: str
) -> None:
    cells.run(f"{start}\nx = 'mine'")
    body = (
        "import atexit, os\n"
        "place = os.environ['OUTPUT_DIR'] + '/.node3/0.json'\n"
        "atexit.register(lambda: open(place, 'w').write('[' * 9000))\n"
        "x = 1\n"
    )
    told = cells.refusal(f"{submit} --wait --out x -o kept\n{body}")

    assert told.startswith("--out x: what the job wrote is no true JSON;")
    assert cells.shell.user_ns["x"] == "mine"
    assert cells.shell.user_ns["kept"].ok


def test_the_log_of_a_submitted_cell_is_followed(cells: Cells, start: str, submit: str) -> None:
    cells.run(start)
    cells.run(f"{submit} -o job;\nprint('one')")
    cells.run("job.logs(follow=True)")

    assert cells.stdout == "one\n"
    assert cells.shell.user_ns["job"].logs().stdout == "one\n"


def test_a_marketplace_that_is_not_there_is_told_in_a_sentence(
    cells: Cells, market: MarketplaceProcess
) -> None:
    nowhere = f"--marketplace http://127.0.0.1:1 --keys {market.keys_file}"
    told = cells.refusal(f"%%node3 submit {nowhere}\nprint(1)")
    assert told.startswith("The marketplace at 127.0.0.1:1 can't be reached; check its URL")
    assert "%node3 market start" in told

    cells.run("%node3 start --native-only --marketplace http://127.0.0.1:1 -o p;")
    provider = cells.shell.user_ns["p"]
    wait_until(lambda: "can't be reached" in provider.snapshot().reason)
    assert "can't be reached" in repr(cells.run("%node3 why"))


def test_a_marketplace_of_this_notebook_needs_no_names(cells: Cells, node3_home: Path) -> None:
    market = cells.run("%node3 market start")
    assert market.keys_file == node3_home / "marketplace" / "keys.json"
    assert cells.run("%node3 market start") is market
    assert cells.stdout.startswith(f"A local marketplace runs already at {market.url}: this is it.")
    assert "already, at" in cells.refusal("%load_ext node3nb\n" + SECOND_MARKET)

    cells.run("%node3 start --native-only;")
    assert cells.run("%%node3 submit --wait\nprint(2)").stdout == "2\n"

    cells.run("%node3 market stop")
    assert cells.stdout == "The local marketplace has ended.\n"
    assert not market.alive
    again = cells.run("%node3 market start")
    assert again.url == market.url, "the provider waits there"
    assert cells.run("%%node3 submit --wait\nprint(3)").stdout == "3\n"
    cells.run("%node3 market stop")
    cells.run("%node3 market stop")
    assert cells.stdout == "None runs.\n"


SECOND_MARKET = """
from IPython.core.error import UsageError
from node3nb import Node3Error, config
from node3nb.marketplace import process
try:
    process.start(config.state_dir() / "marketplace")
except Node3Error as error:
    raise UsageError(str(error)) from None
"""


def test_no_key_is_ever_shown(cells: Cells, start: str, submit: str, keys: list[str]) -> None:
    provider = cells.run(start)
    job = cells.run(f"{submit}\nprint(1)")
    job.wait(60)
    shown = [provider, job, job.view(), cells.run("%node3 status"), cells.run("%node3 why")]

    told = " ".join([repr(each) + "".join(cells.shown(each)) for each in shown])
    assert not [key for key in keys if key in told]
    assert "n3_" not in told


def test_an_invitation_comes_from_a_file_of_keys(cells: Cells, tmp_path: Path) -> None:
    keys = tmp_path / "invitation.json"
    keys.touch(0o600)
    keys.write_text('{"invitation": "n3_invitation_0_x"}')
    with BaseMarketplace() as base:
        cells.run(f"%node3 start --native-only --marketplace {base.url} --keys {keys}")
        wait_until(lambda: base.calls_to("/available"))
    (registration,) = base.calls_to("/register")
    assert registration.headers["x-api-key"] == "n3_invitation_0_x"
    assert base.calls_to("/available")[0].headers["x-api-key"] != "n3_invitation_0_x"
