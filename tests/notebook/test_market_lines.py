"""The lines about marketplaces: one of this notebook's own, and the jobs that are at one."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from support import kernel_client
from support.gates import WAITS, let_go
from support.kernel_cells import Cells
from support.strange_marketplace import answering, said

from node3nb.marketplace import process
from node3nb.marketplace.process import MarketplaceProcess
from node3nb.notebook import local_address, waiting


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketplaceProcess]:
    """A marketplace that has no jobs of other tests."""
    with process.start(tmp_path_factory.mktemp("market")) as market:
        yield market


@pytest.fixture
def own(market: MarketplaceProcess) -> str:
    """The words that follow a line about the jobs at the marketplace of the tests."""
    return f"--marketplace {market.url} --keys {market.keys_file}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_provider_that_waits_for_nobody_says_so_and_finds_what_is_started_later(
    cells: Cells,
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    cells.run(f"%node3 start --native-only --marketplace {url} -o p;")
    assert cells.stdout.startswith(f"No marketplace answers at {url}; the provider waits for one")
    assert "`%node3 market start` starts one" in cells.stdout
    assert "`%node3 start --marketplace URL` names another" in cells.stdout

    market = cells.run("%node3 market start")
    assert market.url == url
    assert cells.stdout.startswith("The provider that waits for a marketplace here finds it")
    assert cells.run("%%node3 submit --wait\nprint(2)").stdout == "2\n"


def test_where_none_is_named_the_usual_place_is_said(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node3nb.config.DEFAULT_MARKETPLACE", f"http://127.0.0.1:{free_port()}")
    cells.run("%node3 start --native-only;")
    assert cells.stdout.startswith("No marketplace answers at http://127.0.0.1:")


def test_a_provider_of_another_marketplace_is_told_of(cells: Cells, start: str) -> None:
    cells.run(start)
    assert "No marketplace answers" not in cells.stdout
    market = cells.run("%node3 market start")
    assert "`%node3 stop`, then `%node3 start` has it serve this marketplace" in cells.stdout
    url = cells.run("%node3 status").marketplace_url
    cells.run("%node3 start --native-only;")
    assert f"for {url} and not for {market.url}" in cells.stdout
    assert "`%node3 stop`, then `%node3 start`" in cells.stdout


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://market.example:9999", 0),
        ("http://192.0.2.1:9999", 0),
        ("http://127.0.0.1:80", 0),
        ("", 0),
    ],
)
def test_no_marketplace_is_started_where_it_could_not_be(url: str, port: int) -> None:
    assert local_address.silent_port(url) == port


def test_jobs_that_another_kernel_has_left_are_listed_and_cancelled(
    kernel: kernel_client.Kernel, cells: Cells, submit: str, own: str
) -> None:
    kernel.run("%load_ext node3nb")
    kernel.run(f"{submit} -o job\nprint('left over')")
    left = kernel.value("job.job_id")
    kernel.manager.shutdown_kernel(now=True)

    mine = cells.run(f"{submit}\nprint('mine')")
    jobs = cells.run(f"%node3 market jobs {own}")
    assert [job.job_id for job in jobs[:2]] == [mine.job_id, left]
    text, html = cells.shown(jobs)
    assert left in text
    assert left in html
    frame = cells.run(f"%node3 market jobs --pandas {own}")
    assert list(frame.job_id[:2]) == [mine.job_id, left]
    assert isinstance(frame.submitted_at.dtype, pd.DatetimeTZDtype)
    with provisionalcompleter():
        code = f"%node3 market cancel {left[:9]}"
        assert left in [each.text for each in cells.shell.Completer.completions(code, len(code))]

    handle = cells.run(f"%node3 job {left}")
    assert (handle.job_id, handle.status()) == (left, "available")
    assert cells.run(f"%node3 job {mine.job_id}") is mine
    assert f"1 job of yours is ahead: {left}, available, submitted " in mine.waits_for()
    assert f"cancel it with `%node3 market cancel {left}`." in mine.waits_for()
    cancelled = cells.run(f"%node3 market cancel {left} {own}")
    assert repr(cancelled).endswith(": cancelled>")
    assert mine.waits_for() == "It waits for a provider to take it."
    mine.cancel()
    assert mine.waits_for() == ""


def test_a_job_that_is_known_here_is_cancelled_where_it_is(
    cells: Cells, submit: str, own: str
) -> None:
    cells.run("%config Node3.marketplace = 'http://127.0.0.1:1'")
    sent = cells.run(f"{submit}\nprint('sent')")
    listed = cells.run(f"%node3 market jobs {own}")[0]
    assert listed.job_id == sent.job_id
    assert "127.0.0.1:1 " in cells.refusal(f"%node3 market cancel {sent.job_id[:12]}")
    assert cells.run(f"%node3 market cancel {sent.job_id}") is sent
    assert sent.status() == "cancelled"


def test_what_can_not_be_cancelled_is_told(cells: Cells, own: str) -> None:
    assert "`%node3 market jobs` lists them" in cells.refusal(f"%node3 market cancel {own}")
    assert cells.refusal(f"%node3 market cancel nobody {own}").startswith("There is no job nobody")
    assert "market start takes no job" in cells.refusal("%node3 market start job-1")
    assert "There is no key" in cells.refusal("%node3 market jobs --marketplace http://127.0.0.1:1")
    assert cells.run("%node3 market --help") is None
    assert "list the jobs you have submitted" in re.sub(r"\s+", " ", cells.stdout)


def test_names_that_are_code_are_neither_offered_nor_told(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE3_CONSUMER_KEY", "sk-not-to-be-seen")
    told = {"status": "run\x1b[2Jning", "agent_id": "\u202e"}
    odd = {"job_id": "x{open('taken', 'w')}\x1b[2J", **told}
    jobs = [{"job_id": "mine", "status": "available"}, odd, {**odd, "job_id": "older-1"}]
    with answering(said({"jobs": jobs})) as url:
        listed = cells.run(f"%node3 market jobs --marketplace {url}")
        assert not {"\x1b", "\u202e"} & set("".join(cells.shown(listed)))
        assert listed.ids() == ["mine", "older-1"]
        told = cells.refusal(f"%node3 market cancel x --marketplace {url}")
    assert told.startswith("There is no job x here")


def test_a_cell_that_waits_says_for_what(
    kernel: kernel_client.Kernel, start: str, submit: str
) -> None:
    kernel.run(f"%load_ext node3nb\n{start} --slots 1\n%config Node3.progress_after_s = 0.1")
    kernel.run(f"{submit} -o first\n{WAITS}")
    first = kernel.value("first.job_id")
    kernel.run("while first.status() not in {'accepted', 'running'}: pass")
    cell = kernel.begin(f"{submit} --wait\nprint('second')")
    told = f"1 job of yours is ahead: {first}, "
    kernel.await_shown(cell, told)
    let_go()
    assert "second" in kernel.finish(cell).shown[-1]["text/plain"]


def test_an_interrupted_wait_says_for_what_it_was(
    cells: Cells, submit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "FIRST_S", 0.0)
    asked = waiting.Waiting.__call__

    def interrupted(self: waiting.Waiting, view: object) -> None:
        asked(self, view)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    first = cells.run(f"{submit}\nprint(1)")
    monkeypatch.setattr(waiting.Waiting, "__call__", interrupted)
    told = cells.refusal(f"{submit} --wait -o job\nprint(2)")
    assert "goes on, and this is its handle." in told
    assert "of yours " in told
    assert "`%node3 market cancel " in told
    for job in (first, cells.shell.user_ns["job"]):
        job.cancel()
