"""Handles of jobs: cells that run in the background, the history, one job looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from support.kernel_cells import Cells
from support.native_jobs import wait_until

from node3nb.notebook.cell_run import CellRun
from node3nb.notebook.submitted import SubmittedJob

WAITS = (
    "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({!r}): time.sleep(0.02)"
)


def test_a_cell_runs_in_the_background(cells: Cells) -> None:
    run = cells.run(
        "%%node3 run --background --out x -o kept\n"
        "import sys\nfor n in range(3): print(n, flush=True)\nprint('é', file=sys.stderr)\nx = 5"
    )
    assert isinstance(run, CellRun)
    assert cells.shell.user_ns["kept"] is run
    assert "x" not in cells.shell.user_ns

    cells.run("kept.logs(follow=True)")
    assert sorted(cells.stdout.splitlines()) == ["0", "1", "2", "é"]
    result = cells.run("kept.wait(60)")
    assert (result.state, result.stdout) == ("completed", "0\n1\n2\n")
    assert cells.shell.user_ns["x"] == 5
    cells.shell.user_ns["x"] = "changed"
    assert run.result() == result
    assert cells.shell.user_ns["x"] == "changed", "variables are brought out once"
    assert repr(run) == f"<CellRun {run.job_id}: completed>"
    assert run.logs().stdout == result.stdout


def test_a_cell_in_the_background_is_called_off(cells: Cells) -> None:
    run = cells.run(
        "%%node3 run --background\nimport time; print('begun', flush=True); time.sleep(600)"
    )
    while "begun" not in run.logs().stdout or not run.stands.startswith("running, "):
        assert run.running
    assert run.result() is None
    assert f"<CellRun {run.job_id}: running, " in repr(run)
    with pytest.raises(TimeoutError, match=r"still runs after 0\.01 s; it goes on"):
        run.wait(0.01)

    run.cancel()

    assert run.wait(60).state == "cancelled"
    assert run.stands == "cancelled"


def test_variables_are_taken_as_they_are_when_the_cell_is_sent(cells: Cells) -> None:
    cells.run("a = [1]")
    cells.run("%%node3 run --background --in a --out b -o run\nb = a + [2]")
    cells.run("a.append('too late')\nrun.wait(60);")

    assert cells.shell.user_ns["b"] == [1, 2]


def test_the_history_lists_what_was_sent(cells: Cells, submit: str) -> None:
    assert repr(cells.run("%node3 history")).startswith("No cell has been run or submitted")
    cells.run("%%node3 run;\n# a comment\n\nprint('first')")
    job = cells.run(f"{submit}\nprint('second')")
    history = cells.run("%node3 history")

    assert [(sent.where[:7], sent.cell) for sent in history] == [
        ("http://", "print('second')"),
        ("here", "print('first')"),
    ]
    assert history[0].job is job
    assert repr(history).startswith("2 cells\njob ")
    assert re.search(r"available as of \d\d:\d\d:\d\d  print\('second'\)", repr(history))
    assert "completed  print('first')" in re.sub(" +", "  ", repr(history)).replace(")  ", ") ")
    frame = cells.run("%node3 history --pandas")
    assert list(frame.stands) == ["available", "completed"]
    assert isinstance(frame.begun_at.dtype, pd.DatetimeTZDtype)
    assert list(frame.as_of.isna()) == [False, True]


def test_what_was_heard_of_a_job_never_passes_for_what_is(
    cells: Cells, start: str, submit: str
) -> None:
    job = cells.run(f"{submit}\nprint('second')")
    assert re.search(r": submitted as of \d\d:\d\d:\d\d>$", repr(job))
    job.view()
    assert re.search(r": available as of \d\d:\d\d:\d\d>$", repr(job))
    assert "available as of" in cells.shown(job)[1]
    cells.run(start)
    wait_until(lambda: job.view().final)
    assert repr(job).endswith(": completed>")
    cells.run("%node3 stop;")

    ended = cells.run(f"{submit}\nprint(3)")
    ended._client.cancel(ended.job_id)
    assert "submitted as of" in repr(ended)
    assert [sent.job.stands for sent in cells.run("%node3 history")] == ["cancelled", "completed"]
    assert repr(ended).endswith(": cancelled>")


def test_a_history_is_shown_although_a_marketplace_is_gone(cells: Cells) -> None:
    cells.run("%node3 market start")
    jobs = [cells.run("%%node3 submit\nprint(1)") for _ in range(2)]
    cells.run("%node3 market stop")
    history = cells.run("%node3 history")
    assert [sent.job for sent in history] == jobs[::-1]
    assert repr(history).count("submitted as of ") == 2


def test_a_history_forgets_and_shows_some(cells: Cells) -> None:
    history = cells.run("%node3 history")
    for number in range(300):
        history.add(SubmittedJob(None, f"{number:03}<script>\x1b[2J"), "here", "</td>\u202egpj")

    assert (len(history), len(history[:10])) == (200, 10)
    assert repr(history).startswith("200 cells, the newest 50 shown\n")
    assert history._repr_html_().count("<tr>") == 51
    text, html = cells.shown(history)
    assert not set("\x1b\u202e") & set(text + html)
    assert "<script" not in html
    assert "</td>\\" not in html


def test_one_job_is_looked_at(cells: Cells, start: str, submit: str, tmp_path: Path) -> None:
    cells.run(start)
    body = "import os; open(os.environ['OUTPUT_DIR'] + '/o.txt', 'w').write('kept'); print(7)"
    job = cells.run(f"{submit} --wait -o result\n{body}")
    handle = cells.run("%node3 job {result.job_id[:10]}")
    assert isinstance(handle, SubmittedJob)
    assert handle.result() == job
    outputs = cells.run(f"%node3 outputs {{result.job_id}} --save {tmp_path}/out")
    assert [file.path for file in outputs] == ["o.txt"]
    assert "has left 1 file, saved in" in repr(outputs)
    assert (tmp_path / "out" / "o.txt").read_text() == "kept"

    cells.run("%reload_ext node3nb")
    cells.run(start)
    result = cells.run(f"{submit}\nprint(8)").wait(60)
    cells.shell.magics_manager.registry["Node3Magics"]._session.history._sent.clear()
    theirs = cells.run(f"%node3 job {result.job_id}")
    assert theirs.wait(10).stdout == "8\n"
    assert "completed (exit code 0)" in repr(theirs)
    assert cells.run(f"%node3 outputs {result.job_id}").files == ()
    told = cells.refusal(f"%node3 outputs {result.job_id} --save {tmp_path}/none")
    assert told.startswith("Only a submitted job's files can be fetched later;")
    told = cells.refusal("%node3 job nobody")
    assert told.startswith("There is no job nobody here. `%node3 market jobs` lists")


def test_choices_hold_for_every_line_until_one_says_otherwise(cells: Cells) -> None:
    cells.run('%config Node3.timeout = "1s"\n%config Node3.memory = "256M"')
    assert cells.run("%%node3 run\nimport time; time.sleep(600)").reason == "timed_out"
    assert cells.run("%%node3 run --timeout 60\nprint(1)").ok

    shown = cells.run("%node3 config")
    assert shown.choices["timeout"] == ("1s", True)
    assert shown.choices["slots"] == (0, False)
    assert shown.choices["memory"] == ("256M", True)
    assert "256M" in repr(shown)
    cells.run("%config Node3.memory = 'lots'")
    assert cells.run("%node3 config").choices["memory"] == ("256M", True)
    cells.run("%unload_ext node3nb")
    names = [type(each).__name__ for each in cells.shell.configurables]
    assert not {"Node3", "Node3Magics"} & set(names)


def test_no_key_can_be_a_choice(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, node3_home: Path
) -> None:
    monkeypatch.setenv("NODE3_CONSUMER_KEY", "n3_secret")
    keys = node3_home / "keys.json"
    keys.write_text(json.dumps({"http://127.0.0.1:8000": {"agent": "n3_other"}}))
    keys.chmod(0o600)
    shown = cells.run("%node3 config")

    assert shown.keys == ("agent", "consumer")
    assert [name for name in shown.choices if "key" in name or "wallet" in name] == []
    assert "n3_" not in repr(shown) + shown._repr_html_()


def test_the_doctor_says_what_there_is(cells: Cells) -> None:
    found = cells.run("%node3 doctor")

    assert found.ok
    assert "isolation" in repr(found)
    assert "not stopped" in repr(found)


def test_a_configuration_file_chooses_too(bare_shell: Cells) -> None:
    bare_shell.shell.config.Node3.marketplace = "http://127.0.0.1:1"
    bare_shell.run("%load_ext node3nb")

    assert bare_shell.run("%node3 config").marketplace_url == "http://127.0.0.1:1"
    told = bare_shell.refusal("%%node3 submit\n1")
    assert told.startswith("There is no key to submit jobs to http://127.0.0.1:1 with;")
    told = bare_shell.refusal("%%node3 submit --marketplace http://127.0.0.1:2\n1")
    assert told.startswith("There is no key to submit jobs to http://127.0.0.1:2 with;")


def test_a_cell_in_the_background_outlives_the_provider_and_not_the_magics(
    cells: Cells, start: str
) -> None:
    cells.run(start)
    run = cells.run(
        "%%node3 run --background\nimport time\nprint('begun', flush=True)\ntime.sleep(600)"
    )
    while "begun" not in run.logs().stdout:
        assert run.running
    cells.run("%node3 stop;")
    assert run.running

    cells.run("%unload_ext node3nb")

    assert not run.wait(60).ok
