"""The magics in a real IPython shell: loading, help, what a wrong line gets."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest
from support.kernel_cells import Cells

from node3nb.notebook.commands import COMMANDS


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


def test_reloading_stops_the_provider_and_brings_the_magics_back(cells: Cells, start: str) -> None:
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


def test_the_documentation_tells_every_subcommand() -> None:
    page = (Path(__file__).parents[2] / "docs" / "notebook.md").read_text()
    told = re.findall(r"^\| `(%+node3 \w+)` \| ([^|]*) \|$", page, re.MULTILINE)
    assert told == [(command.prog, command.does) for command in COMMANDS.values()]


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("%node3 strat", "There is no subcommand strat here; did you mean start?"),
        ("%node3 stat", "There is no subcommand stat here; did you mean status?"),
        ("%node3 zzzz", "There is no subcommand zzzz here."),
        ("%node3 \x1b[31m", "There is no subcommand \\x1b[31m here."),
        (
            "%node3 start --slot=3",
            "There is no option or argument --slot here; did you mean --slots?",
        ),
        (
            "%%node3 run --memry 1G\n1",
            "There is no option or argument --memry here; did you mean --memory?",
        ),
        ("%node3 start --slots two", "argument --slots: invalid int value: 'two'"),
        (
            "%%node3 run --memory lots\n1",
            "argument --memory: 'lots' is no size; write one like 512M or 2G.",
        ),
        (
            "%%node3 run --timeout soon\n1",
            "argument --timeout: 'soon' is no duration; write one like 90, 5m or 2h.",
        ),
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
        ("%%node3 run --cpus nan\n1", "cpus: nan is not "),
        ("%%node3 run --env 1A=2\n1", "environment: '1A' is no name for a variable."),
        ("%%node3 run --input /no/such/file\n1", "input: /no/such/file is not there"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(cells: Cells, line: str, told: str) -> None:
    assert told in cells.refusal(line)
