"""Cells that run here as jobs, from a real IPython shell."""

from __future__ import annotations

from pathlib import Path

import psutil
from support.gates import WAITS, let_go
from support.kernel_cells import Cells

from node3nb import JobResult


def test_a_cell_runs_as_a_job(cells: Cells) -> None:
    result = cells.run(
        "%%node3 run --memory 1G --timeout 60 --env A=b\nimport os; print(os.environ['A'])"
    )

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


LEAVES = (
    "import os\n"
    "open(os.environ['OUTPUT_DIR'] + '/numpy.py', 'w').write('1')\n"
    "a = 7\n"
    "print('made')\n"
)


def test_a_directory_that_holds_something_is_refused_before_anything_runs(
    cells: Cells, tmp_path: Path
) -> None:
    (tmp_path / "mine.ipynb").write_text("mine")
    told = cells.refusal(f"%%node3 run --output {tmp_path}\n{LEAVES}")
    assert told.startswith(f"output: {tmp_path} is no empty directory; name a new one, or add ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.ipynb"]


def test_a_cell_runs_again_into_its_directory_when_it_may_replace_what_it_left(
    cells: Cells, tmp_path: Path
) -> None:
    body = "import os, time\nopen(os.environ['OUTPUT_DIR'] + '/o', 'w').write(f'{time.time_ns()}')"
    line = f"%%node3 run --output {tmp_path} --replace"
    assert cells.run(f"{line}\n{body}").ok
    first = (tmp_path / "o").read_text()
    (tmp_path / "mine").write_text("mine")
    assert "--replace" in cells.refusal(f"%%node3 run --output {tmp_path}\n{body}")
    assert cells.run(f"{line}\n{body}").ok
    assert (tmp_path / "o").read_text() != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "o"]

    (tmp_path / "o").unlink()
    (tmp_path / "o").mkdir()
    result = cells.run(f"{line}\n{body}")
    assert (result.reason, (tmp_path / "o").is_dir()) == ("upload_error", True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "o"]


def test_a_failure_says_that_variables_are_as_they_were(cells: Cells) -> None:
    cells.run("z = 'old'")
    failed = cells.run("%%node3 run --out z\nz = 'new'\nraise SystemExit(3)")
    assert failed.message == (
        "The job exited with code 3. The job gave nothing: z is as it was before."
    )
    assert cells.shell.user_ns["z"] == "old"
    both = cells.run("%%node3 run --out y,z --timeout 0.5\nimport time; time.sleep(60)")
    assert both.message.endswith("The job gave nothing: y, z are as they were before.")
    assert not cells.run("%%node3 run --out z\nz = 1").message


def test_a_file_that_comes_between_stays_and_nothing_of_the_job_is_lost(
    cells: Cells, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    job = cells.run(f"%%node3 run --background --out a --output {out}\n{WAITS}{LEAVES}")
    while "begun" not in job.logs().stdout:
        assert job.running
    (out / "numpy.py").write_text("mine")
    let_go()
    result = job.wait(60)

    assert (out / "numpy.py").read_text() == "mine"
    assert (result.state, result.reason) == ("failed", "upload_error")
    assert "the first: 'numpy.py' (something of its name is there already)" in result.message
    assert result.stdout == "begun\nmade\n"
    assert cells.run("a") == 7
