"""Variables that cells get and give: `--in` and `--out`, from a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import needs
from support.kernel_cells import Cells

from node3nb.jobs import Isolation


def test_variables_go_in_and_come_out(cells: Cells) -> None:
    cells.run("import numpy as np; a = {'n': 2**70, 'f': float('inf')}; b = np.arange(6.0)")
    result = cells.run(
        "%%node3 run --in a,b --out c, --out c,d\n"
        "import pandas as pd\n"
        "c = (a['n'] + 1, a['f'], b.reshape(2, 3))\n"
        "d = pd.DataFrame({'x': b, 'y': list('abcdef')}, index=b * 2)\n"
    )

    assert result.ok, result.stderr
    assert result.outputs == ()
    number, infinite, array = cells.shell.user_ns["c"]
    assert (number, infinite, array.tolist()) == (
        2**70 + 1,
        float("inf"),
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
    )
    b = np.arange(6.0)
    expected = pd.DataFrame({"x": b, "y": list("abcdef")}, index=b * 2)
    pd.testing.assert_frame_equal(cells.shell.user_ns["d"], expected)


@pytest.mark.parametrize(
    ("body", "traceback"),
    [
        ("x = 1\n\n1 / (a - a)\n", 'cell.py", line 3, in <module>\n    1 / (a - a)\n'),
        ("def f():\n    raise ValueError(a)\nf()", 'cell.py", line 2, in f\n'),
        ("from __future__ import annotations\nx = (", 'cell.py", line 2\n    x = (\n'),
    ],
)
def test_a_traceback_is_that_of_the_cell_alone(cells: Cells, body: str, traceback: str) -> None:
    cells.run("a = 1")
    result = cells.run(f"%%node3 run --in a --out x\n{body}")

    assert (result.state, result.exit_code) == ("failed", 1)
    assert traceback in result.stderr
    assert "node3-" not in result.stderr
    assert "x" not in cells.shell.user_ns


def test_the_cell_is_the_main_program(cells: Cells) -> None:
    cells.run("a = 20")
    body = (
        "import multiprocessing, pickle, sys, os\n"
        "def add(n):\n"
        "    return n + a\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        sums = pool.map(add, [1, 2])\n"
        "    same = pickle.loads(pickle.dumps(add)) is add\n"
        "    names = [os.path.basename(each) for each in (sys.argv[0], __file__)]\n"
    )
    result = cells.run(f"%%node3 run --in a --out sums,same,names\n{body}")

    assert result.ok, result.stderr
    told = [cells.shell.user_ns[name] for name in ("sums", "same", "names")]
    assert told == [[21, 22], True, ["cell.py", "cell.py"]]


def test_a_cell_that_leaves_by_exit_gives_its_variables(cells: Cells) -> None:
    assert cells.run("%%node3 run --out x\nimport sys\nx = 1\nsys.exit(0)").ok
    assert cells.shell.user_ns["x"] == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--in nobody", "--in nobody: the notebook has no such variable; give it a value first."),
        ("--in value", "--in value: the notebook has no such variable; did you mean valued?"),
        ("--in f", "--in f: this function can't be carried; carry plain values, arrays or tables."),
        ("--in held", "--in held: this dict holds something of type builtins_like.Odd, which"),
        ("--in a.b", "argument --in: 'a.b' is no name for a variable."),
        ("--out class", "argument --out: 'class' is no name for a variable."),
    ],
)
def test_what_cannot_go_in_is_said_before_a_job_starts(cells: Cells, line: str, told: str) -> None:
    cells.run("valued = 1\ndef f(): pass\nOdd = type('Odd', (), {'__module__': 'builtins_like'})")
    cells.run("held = {'k': [Odd()]}")

    assert told in cells.refusal(f"%%node3 run {line}\npass")
    assert len(cells.run("%node3 history")) == 0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("pass", "node3nb: --out x: the cell has given no value to it.\n"),
        ("x = lambda: 1", "node3nb: --out x: this function can't be carried; carry plain"),
        ("x = [[object()]]", "--out x: this list holds something of type object, which can't be"),
        ("x = []\nx.append(x)", "is nested deeper than 64 levels, or holds itself.\n"),
        ("x = 'y' * (300 << 20)", "does not fit into the 256 MiB that may be carried.\n"),
    ],
)
def test_what_cannot_come_out_fails_the_job_with_a_sentence(
    cells: Cells, body: str, told: str
) -> None:
    cells.run("x = 'mine'")
    result = cells.run(f"%%node3 run --out x\n{body}")

    assert (result.state, result.exit_code) == ("failed", 1)
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert cells.shell.user_ns["x"] == "mine"


HOSTILE = {
    "nothing": "os.remove(place + '/0.json')",
    "link": "os.remove(place + '/0.json'); os.symlink('/etc/passwd', place + '/0.json')",
    "place": "os.rename(place, place + 'd'); os.symlink('/etc', place)",
    "deep": "open(place + '/0.json', 'w').write('[' * 100_000)",
    "many": "open(place + '/0.json', 'w').write('[' + '[],' * 5_000_000 + '1]')",
    "huge": "open(place + '/0.json', 'w').truncate(1 << 33)",
    "pickle": "open(place + '/0.json', 'w').write('{\"pickle\": \"gASV\"}')",
    "leads away": "open(place + '/0.json', 'w').write('{\"text\": \"../../secret\"}')",
    "array": "open(place + '/0.json', 'w').write('{\"ndarray\": \"0-1.npy\"}')",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_job_gives_nothing_but_a_sentence(cells: Cells, attack: str) -> None:
    """The cell waits until its variables are written, and then changes what is there."""
    cells.run("x = 'mine'")
    body = (
        "import atexit, os\n"
        "x = 1\n"
        "place = os.environ['OUTPUT_DIR'] + '/.node3'\n"
        "def spoil():\n"
        f"    {HOSTILE[attack]}\n"
        "atexit.register(spoil)\n"
    )
    refused = cells.refusal(f"%%node3 run --out x -o result\n{body}")

    assert refused.startswith("--out x: what the job wrote ")
    assert refused.endswith("the notebook's is unchanged.")
    assert cells.shell.user_ns["x"] == "mine"
    assert cells.shell.user_ns["result"].ok


@pytest.fixture(params=list(Isolation)[:-1], ids=str)
def level_cells(cells: Cells, request: pytest.FixtureRequest) -> Iterator[Cells]:
    """A shell whose cells run at one native level."""
    magics = cells.shell.magics_manager.registry["Node3Magics"]
    with pytest.MonkeyPatch.context() as patch:
        executor = needs.native(request.param)
        patch.setattr(magics._session, "_executor", executor)
        yield cells
        executor.close()


def test_variables_are_carried_at_every_level(level_cells: Cells, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("seven")
    level_cells.shell.user_ns.update(a=np.eye(3), here=tmp_path)
    result = level_cells.run(
        "%%node3 run --in a --out b --input $here/in.txt --output $here/out\n"
        "import os\n"
        "b = [a * 2, open(os.environ['INPUT_DIR'] + '/in.txt').read()]\n"
        "open(os.environ['OUTPUT_DIR'] + '/o.txt', 'w').write('kept')\n"
    )

    assert result.ok, (result.message, result.stderr)
    array, text = level_cells.shell.user_ns["b"]
    assert (array.tolist(), text) == ((np.eye(3) * 2).tolist(), "seven")
    assert [each.path for each in result.outputs] == ["o.txt"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["o.txt"]
