"""`node3nb jobs`: what was submitted is found again, followed, fetched and called off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.cli_parts import BOUND_S, answered, begun, complaint, given_here, node3nb
from cli.conftest import Market
from support.gates import WAITS, let_go

Mistake = Callable[[list[str]], str]
MAKES = (
    "import os, sys; open(os.environ['OUTPUT_DIR'] + '/out.txt', 'w').write('made'); "
    "print('to say'); print('aside', file=sys.stderr); raise SystemExit(3)"
)


def where(market: Market) -> tuple[object, ...]:
    return ("--marketplace", market.url, "--keys", market.keys_file)


def submitted(market: Market, script: str) -> str:
    return market.client.submit({"command": ["python", "-c", script]})


def test_a_job_is_found_and_fetched_on_another_day(market: Market, tmp_path: Path) -> None:
    job_id = submitted(market, MAKES)
    with begun("provide", "--marketplace", market.url, "--once", 1) as provider:
        provider.communicate(timeout=BOUND_S)
    (listed,) = answered("jobs", "list", *where(market), "--json")["jobs"]
    assert (listed["job_id"], listed["status"]) == (job_id, "failed")
    head, line = node3nb("jobs", "list", *where(market)).stdout.splitlines()
    assert head.split() == ["JOB", "STATUS", "SUBMITTED", "TRIES", "WHY"]
    assert line.startswith(f"{job_id}  failed       20")
    assert line.endswith("The job exited with code 3.")
    outputs = tmp_path / "outputs"
    ended = node3nb("jobs", "wait", job_id, *where(market), "--output", outputs)
    assert (ended.returncode, ended.stdout) == (3, "to say\n")
    assert ended.stderr.startswith("aside\n")
    assert (outputs / "out.txt").read_text() == "made"
    assert "to say\n" in node3nb("jobs", "logs", job_id, *where(market)).stdout
    again = node3nb("jobs", "wait", job_id, *where(market), "--output", outputs)
    assert "no empty directory" in complaint(again)


def test_a_log_is_followed_while_the_job_runs(market: Market) -> None:
    job_id = submitted(market, f"print('früh', flush=True)\n{WAITS}print('late')")
    with (
        begun("provide", "--marketplace", market.url, "--once", 1) as provider,
        begun("jobs", "logs", job_id, *where(market)) as following,
    ):
        assert following.stdout is not None
        assert following.stdout.readline() == "früh\n"
        assert following.stdout.readline() == "begun\n"
        let_go()
        assert following.stdout.read() == "late\n"
        assert following.wait(BOUND_S) == 0
        assert following.stderr is not None
        assert f"job {job_id} completed; `node3nb jobs wait`" in following.stderr.read()
        provider.communicate(timeout=BOUND_S)


@pytest.mark.parametrize(("command", "asks"), [("wait", "wait"), ("logs", "follow")])
def test_an_interrupted_wait_leaves_the_job(
    market: Market,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    asks: str,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    job_id = submitted(market, "")
    monkeypatch.setattr(f"node3nb.marketplace.client.consumer.{asks}", interrupted)
    assert given_here(["jobs", command, job_id, *map(str, where(market))]) == 130
    assert f"job {job_id} goes on" in capsys.readouterr().err
    assert market.client.job(job_id).status == "available"


def test_a_job_is_called_off(market: Market) -> None:
    job_id = submitted(market, "")
    assert node3nb("jobs", "cancel", job_id, *where(market)).stdout == f"{job_id} cancelled\n"
    told = answered("jobs", "cancel", job_id, *where(market), "--json")
    assert told == {"job_id": job_id, "status": "cancelled"}
    ended = node3nb("jobs", "wait", job_id, *where(market))
    assert ended.returncode == 130


@pytest.mark.parametrize(
    ("said", "tells"),
    [
        (["list", "--limit", "0"], "give 1 to 1000"),
        (["wait", "../admin"], "is no id of a job"),
        (["logs", "0" * 32], "no such job"),
        (["cancel", "0" * 32], "no such job"),
        (["wait", "0" * 32], "no such job"),
        ([], "required"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    market: Market, mistake: Mistake, said: list[str], tells: str
) -> None:
    assert tells in mistake(["jobs", *said, *(map(str, where(market)) if said else ())])


def test_the_jobs_of_others_are_not_there(market: Market, mistake: Mistake, tmp_path: Path) -> None:
    job_id = submitted(market, "")
    keys = ("--marketplace", market.url, "--keys", market.keys_file)
    made = tmp_path / "other.json"
    answered("marketplace", "keys", "create", *keys, "--into", made, "--json")
    assert json.loads(made.read_text())["consumer"]
    other = ["--marketplace", market.url, "--keys", str(made)]
    assert answered("jobs", "list", *other, "--json") == {"jobs": []}
    for command in ("wait", "logs", "cancel"):
        mistake(["jobs", command, job_id, *other])
    assert market.client.job(job_id).status == "available"
