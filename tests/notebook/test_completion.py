"""What the completer of a real IPython shell offers."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter
from support.kernel_cells import Cells


def offered(cells: Cells, code: str) -> list[str]:
    """Return what the cell could go on with at its end, as a frontend asks for it."""
    with provisionalcompleter():
        found = cells.shell.Completer.completions(code, len(code))
        return [each.text for each in found]


MARKETS = [
    "--allow-insecure-http",
    "--data",
    "--help",
    "--keys",
    "--marketplace",
    "--pandas",
    "--port",
]


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("%node3 st", ["start", "status", "stop"]),
        ("p = %node3 sta", ["start", "status"]),
        ("%%node3 su", ["submit"]),
        ("x = 1\n%node3 dra", ["drain"]),
        ("%node3 market s", ["start", "stop"]),
        ("%node3 market c", ["cancel"]),
        ("%node3 market cancel ", MARKETS),
        ("%node3 market --port 1 sto", ["stop"]),
        ("%%node3 run --mem", ["--memory"]),
        ("%%node3 run --network ", ["host", "none"]),
        ("%%node3 run --isolation na", ["namespaces"]),
        ("%node3 market --port 1 --d", ["--data"]),
        ("%node3 start --allow-w", ["--allow-weak-isolation"]),
        ("%node3 logs ", ["--follow", "--help"]),
        ("%node3 outputs --", ["--help", "--save"]),
        ("%node3 hist", ["history"]),
        ("%node3 jo", ["job", "jobs"]),
    ],
)
def test_only_what_may_follow_is_offered(cells: Cells, code: str, texts: list[str]) -> None:
    assert offered(cells, code) == texts


def test_variables_are_offered_to_cells(cells: Cells) -> None:
    cells.run("table, tabula, _hidden = 1, 2, 3")
    assert offered(cells, "%%node3 run --in tab") == ["table", "tabula"]
    assert offered(cells, "%%node3 submit --in table,tabu") == ["tabula"]
    assert "_hidden" not in offered(cells, "%%node3 run --in ")


def test_other_lines_are_left_to_others(cells: Cells) -> None:
    cells.run("stop_it = 1")
    assert "stop_it" in offered(cells, "stop_")
    assert "%node3" in offered(cells, "%nod")


def test_jobs_are_offered_to_logs(cells: Cells, start: str, submit: str) -> None:
    cells.run(start)
    job = cells.run(f"{submit}\nprint(1)")
    job.wait(60)

    assert offered(cells, f"%node3 logs {job.job_id[:4]}") == [job.job_id]
