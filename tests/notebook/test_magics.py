"""The magics in a real IPython shell."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from support.kernel_cells import Cells

from node3nb import JobResult, Provider
from node3nb.notebook.commands import COMMANDS
from node3nb.notebook.submitted import SubmittedJob


def test_loading_twice_is_loading_once(bare_shell: Cells) -> None:
    bare_shell.run("%load_ext node3nb")
    magics = bare_shell.shell.find_line_magic("node3")
    bare_shell.run("import node3nb; node3nb.load_ipython_extension(get_ipython())")

    assert bare_shell.shell.find_line_magic("node3") == magics
    assert len(bare_shell.shell.Completer.custom_matchers) == 1


def test_unloading_leaves_nothing(cells: Cells) -> None:
    children = psutil.Process().children()
    cells.run("%node3 market start -o market")
    cells.run("%node3 start --native-only -o provider;")
    cells.run("%%node3 run;\npass")
    provider = cells.shell.user_ns["provider"]
    assert provider.running

    cells.run("%unload_ext node3nb")

    assert not provider.running
    assert set(psutil.Process().children()) <= set(children)
    assert cells.shell.find_line_magic("node3") is None
    assert cells.shell.find_cell_magic("node3") is None
    assert cells.shell.Completer.custom_matchers == []


def test_reloading_stops_the_provider_and_brings_the_magics_back(
    cells: Cells, start: str
) -> None:
    cells.run(f"p = {start}")
    cells.run("%reload_ext node3nb")

    assert not cells.shell.user_ns["p"].running
    assert "No provider runs" in cells.refusal("%node3 status")


def test_help_stands_for_every_subcommand(cells: Cells) -> None:
    cells.run("%node3")
    overview = cells.stdout
    cells.run("%node3 --help")
    assert cells.stdout == overview
    for command in COMMANDS.values():
        assert f"{command.prog} " in overview
        for asked in ("-h", "--help"):
            cells.run(f"%node3 {command.name} {asked}")
            assert cells.stdout.startswith(f"usage: {command.prog} [-h]")
            assert command.does in cells.stdout


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("%node3 strat", "There is no subcommand strat here; did you mean start?"),
        ("%node3 stat", "There is no subcommand stat here; did you mean status?"),
        ("%node3 zzzz", "There is no subcommand zzzz here."),
        ("%node3 \x1b[31m", "There is no subcommand \\x1b[31m here."),
        ("%node3 start --slot=3", "There is no option or argument --slot=3 here; did you mean --slots?"),
        ("%%node3 run --memry 1G\n1", "There is no option or argument --memry here; did you mean --memory?"),
        ("%node3 start --slots two", "argument --slots: invalid int value: 'two'"),
        ("%%node3 run --memory lots\n1", "argument --memory: 'lots' is no size; write one like 512M or 2G."),
        ("%%node3 run --timeout soon\n1", "argument --timeout: 'soon' is no duration; write one like 90, 5m or 2h."),
        ("%%node3 run --env A\n1", "argument --env: write it as NAME=VALUE."),
        ("%%node3 run -o 1a\n1", "argument -o: '1a' is no name for a variable."),
        ("%node3 market", "the following arguments are required: action"),
        ("%node3 logs", "the following arguments are required: JOB"),
    ],
)
def test_a_wrong_line_gets_the_nearest_right_word_and_the_usage(
    cells: Cells, line: str, first: str
) -> None:
    sentence, usage = cells.refusal(line).split("\n", 1)
    assert sentence == first
    assert usage.startswith("usage: %")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%node3 status", "No provider runs; start one with"),
        ("%node3 why", "No provider runs; start one with"),
        ("%node3 pause", "No provider runs; start one with"),
        ("%node3 run", "Write the job's Python below a line that begins with %%node3 run."),
        ("%%node3 run\n  ", "Write the job's Python below"),
        ("%%node3 status\n1", "status is a line of its own: write it with one %"),
        ("%node3 start 'half", "A quotation mark on the line has no partner"),
        ("%node3 start --marketplace {nobody}", "{nobody} can't be worked out (NameError:"),
        ("%node3 start --slots 0", "max_concurrent_jobs: 0 is not between 1 and"),
        ("%node3 start --marketplace ftp://x", "'ftp://x' is no marketplace; give a URL"),
        ("%node3 start --marketplace http://node3.example", "unencrypted; use https"),
        ("%node3 start --keys /no/such/file", "keys: /no/such/file is not there"),
        ("%%node3 submit\n1", "There is no key to submit jobs to http://127.0.0.1:8000 with;"),
        ("%%node3 run --memory 0\n1", "memory_bytes: 0 is not between"),
        ("%%node3 run --cpus nan\n1", "cpus: nan is not a number."),
        ("%%node3 run --env 1A=2\n1", "environment: '1A' is no name for a variable."),
        ("%%node3 run --isolation container\n1", "the job asks for isolation container"),
        ("%%node3 run --input /no/such/file\n1", "input: /no/such/file is not there"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(cells: Cells, line: str, told: str) -> None:
    assert told in cells.refusal(line)


def test_a_cell_runs_as_a_job(cells: Cells) -> None:
    result = cells.run("%%node3 run --memory 1G --timeout 60 --env A=b\nimport os; print(os.environ['A'])")

    assert isinstance(result, JobResult)
    assert (result.state, result.exit_code, result.stdout) == ("completed", 0, "b\n")
    assert cells.stdout.endswith("stdout:\n  b\n" + cells.stdout.splitlines()[-1] + "\n")


def test_the_body_of_a_cell_is_not_touched(cells: Cells) -> None:
    cells.run("x = 'not this'")
    body = "x = 'as written'\nprint(f'{x} $x {{x}}', '''\n%node3 $x {x} \\\\''')"

    assert cells.run(f"%%node3 run\n{body}").stdout == "as written $x {x} \n%node3 $x {x} \\\n"


def test_the_values_of_options_are_expanded_but_not_those_of_env(cells: Cells) -> None:
    cells.run("limit = {'s': 60}; mine = 1")
    result = cells.run(
        "%%node3 run --timeout {limit['s'] + 0} --memory {mine}G --env 'J={\"a\": $mine}' -o kept\n"
        "import os; print(os.environ['J'])"
    )

    assert result.stdout == '{"a": $mine}\n'
    assert cells.shell.user_ns["kept"] is result


def test_a_job_that_fails_is_an_answer_and_no_error(cells: Cells) -> None:
    late = cells.run("%%node3 run --timeout 0.5\nimport time; time.sleep(60)")
    wrong = cells.run("%%node3 run\nraise SystemExit(3)")

    assert (late.state, late.reason) == ("failed", "timed_out")
    assert (wrong.state, wrong.reason, wrong.exit_code) == ("failed", "exited", 3)


def test_input_goes_in_and_outputs_come_out(cells: Cells, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("seven")
    cells.shell.user_ns["here"] = tmp_path
    body = (
        "import os, pathlib as p\n"
        "text = p.Path(os.environ['INPUT_DIR'], 'in.txt').read_text()\n"
        "p.Path(os.environ['OUTPUT_DIR'], 'out.txt').write_text(text.upper())\n"
    )
    result = cells.run(f"%%node3 run --input $here/in.txt --output {{here}}/out\n{body}")

    assert [output.path for output in result.outputs] == ["out.txt"]
    assert (tmp_path / "out" / "out.txt").read_text() == "SEVEN"


def test_one_supervisor_serves_every_cell(cells: Cells) -> None:
    before = set(psutil.Process().children())
    for _ in range(3):
        cells.run("%%node3 run;\npass")

    assert len(set(psutil.Process().children()) - before) == 1


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
    assert cells.refusal("%node3 logs nobody") == "There is no job nobody here."


def test_a_job_nobody_runs_can_be_awaited_for_a_while_and_called_off(
    cells: Cells, submit: str
) -> None:
    job = cells.run(f"{submit}\nprint(1)")

    assert job.status() == "available"
    assert job.result() is None
    with pytest.raises(TimeoutError, match="it goes on"):
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

    assert job.save_outputs(tmp_path / "o.tar.gz").stat().st_size > 0


def test_a_marketplace_of_this_notebook_needs_no_names(
    cells: Cells, node3_home: Path
) -> None:
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
