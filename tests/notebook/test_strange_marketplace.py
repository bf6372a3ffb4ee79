"""A notebook that submits to a marketplace which means it harm."""

from __future__ import annotations

import os
import signal
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter
from support.kernel_cells import Cells
from support.strange_marketplace import answering, said

from node3nb.errors import MarketplaceBadAnswer, MarketplaceUnreachable
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.notebook import completion, parsing

KEY = "sk-not-to-be-seen"
IDS = [
    "x{open('taken', 'w').close()}",
    "y\n!touch taken #",
    "z\x1b[2J\x1b]0;owned\x07\u202e",
    "-rf",
    "../../etc",
    "",
    None,
]


def offered(cells: Cells) -> list[str]:
    with provisionalcompleter():
        return [each.text for each in cells.shell.Completer.completions("%node3 job ", 11)]


@pytest.mark.parametrize("job_id", IDS, ids=ascii)
def test_a_name_of_a_job_that_is_code_is_no_name(
    cells: Cells, job_id: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NODE3_CONSUMER_KEY", KEY)
    with answering(said({"job_id": job_id})) as url:
        told = cells.refusal(f"%%node3 submit --marketplace {url}\nprint(1)")

    assert told.startswith("The marketplace gave the job a name that is no id of a job;")
    assert offered(cells) == ["--help"]
    assert list(cells.run("%node3 history")) == []
    assert not Path("taken").exists()


@pytest.mark.parametrize("job_id", [each for each in IDS if each], ids=ascii)
def test_only_ids_are_offered(job_id: str) -> None:
    assert list(completion.words(["job"], lambda: [job_id, "job-1"]))[-1] == "job-1"
    assert job_id not in completion.words(["job"], lambda: [job_id, "job-1"])


def test_a_hint_is_inert() -> None:
    told = parsing.unexpected("job", "other", ["\x1b[31mother\u202e"])
    assert told == r"There is no job other here; did you mean \x1b[31mother\u202e?"


def test_an_answer_about_another_job_is_none() -> None:
    with (
        answering(said({"job_id": "x{1}", "status": "running"})) as url,
        pytest.raises(MarketplaceBadAnswer, match="another job"),
    ):
        MarketplaceClient(url).job("job-1")


def traced(cells: Cells, code: str, error: type[BaseException]) -> str:
    """Return the traceback of a cell, with the variables of every frame."""
    cells.run("%xmode Verbose")
    with pytest.raises(error):
        cells.run(code)
    assert "node3nb/marketplace/client/channel.py" in cells.stdout
    assert "self" in cells.stdout
    return cells.stdout


def test_no_traceback_tells_the_key(cells: Cells) -> None:
    cells.shell.user_ns["client"] = MarketplaceClient("http://127.0.0.1:1", KEY)
    told = traced(cells, "client.submit({})", MarketplaceUnreachable)
    assert KEY not in told
    assert "API-Key" in told


def test_no_traceback_of_an_interrupt_tells_the_key(cells: Cells) -> None:
    over = threading.Event()

    def interrupt(call: BaseHTTPRequestHandler) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(60)

    with answering(interrupt) as url:
        cells.shell.user_ns["client"] = MarketplaceClient(url, KEY)
        told = traced(cells, "client.job('job-1')", KeyboardInterrupt)
        over.set()
    assert KEY not in told
    assert "API-Key" in told


def test_a_key_is_hidden_wherever_a_frame_could_hold_it(cells: Cells) -> None:
    assert cells.run("%xmode Verbose") is None
    cells.shell.user_ns["ask"] = lambda: MarketplaceClient("http://127.0.0.1:1", f"{KEY} ")
    with pytest.raises(Exception, match="holds a blank"):
        cells.run("ask()")
    ours = cells.stdout.partition("node3nb/marketplace/client/client.py")[2]
    assert ours
    assert KEY not in ours
