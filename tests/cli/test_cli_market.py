"""`node3nb marketplace`, `provide`, `submit` and the controls, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli.cli_parts import BOUND_S, answered, begun, complaint, eventually, given_here, node3nb
from cli.conftest import Market

from node3nb import config, control
from node3nb.errors import NotRunning
from node3nb.marketplace.client.client import MarketplaceClient

Mistake = Callable[[list[str]], str]
SLEEPS = ["python", "-c", "import time; print('begun', flush=True); time.sleep(600)"]
WRITES = "import os; open(os.environ['OUTPUT_DIR'] + '/out.txt', 'w').write('made'); print('done')"


def spec(directory: Path, **job: Any) -> Path:
    path = directory / "spec.json"
    path.write_text(json.dumps(job))
    return path


def provide(market: Market, *words: object) -> Any:
    return begun("provide", "--marketplace", market.url, *words)


def provided(market: Market) -> bool:
    """Whether a provider answers in this home."""
    return node3nb("status").returncode == 0


def test_three_processes_bring_a_job_from_its_spec_to_its_files(tmp_path: Path) -> None:
    data = tmp_path / "market"
    with begun("marketplace", "--port", 0, "--data", data) as market:
        assert market.stdout is not None
        url = market.stdout.readline().split()[-1]
        keys = data / "keys.json"
        job = spec(tmp_path, command=["python", "-c", WRITES])
        with begun("provide", "--marketplace", url, "--once", 1, "--json") as provider:
            outputs = tmp_path / "outputs"
            words = ("submit", job, "--marketplace", url, "--keys", keys, "--output", outputs)
            told = answered(*words, "--wait", "--json")
            assert (told["state"], told["stdout"]) == ("completed", "done\n")
            assert (outputs / "out.txt").read_text() == "made"
            said, noise = provider.communicate(timeout=BOUND_S)
            assert provider.returncode == 0
            assert json.loads(said)["completed"] == 1
            assert f"Job {told['job_id']} taken." in noise
            assert f"Job {told['job_id']} completed." in noise
        market.send_signal(signal.SIGTERM)
        printed, complaints = market.communicate(timeout=BOUND_S)
    for key in json.loads(keys.read_text()).values():
        assert key not in printed + complaints + noise


def test_a_submission_that_does_not_wait(market: Market, tmp_path: Path) -> None:
    job = spec(tmp_path, command=["true"])
    where = ("--marketplace", market.url, "--keys", market.keys_file)
    job_id = answered("submit", job, *where, "--json")["job_id"]
    assert market.client.job(job_id).status == "available"
    ended = node3nb("submit", job, *where)
    assert market.client.job(ended.stdout.strip()).status == "available"


def test_a_key_from_the_environment(market: Market, tmp_path: Path) -> None:
    job = spec(tmp_path, command=["true"])
    env = {
        "NODE3_MARKETPLACE": market.url,
        "NODE3_CONSUMER_KEY": json.loads(market.keys_file.read_text())["consumer"],
    }
    assert answered("submit", job, "--json", env=env)["job_id"]


def test_a_submission_ends_as_its_job_does(market: Market, tmp_path: Path) -> None:
    job = spec(tmp_path, command=["python", "-c", "print('out'); raise SystemExit(9)"])
    where = ("--marketplace", market.url, "--keys", market.keys_file)
    with provide(market):
        ended = node3nb("submit", job, *where, "--wait")
    assert (ended.returncode, ended.stdout) == (9, "out\n")
    assert "failed. The job exited with code 9." in ended.stderr


def test_an_interrupted_wait_leaves_the_job(market: Market, tmp_path: Path) -> None:
    job = spec(tmp_path, command=["true"])
    where = ("--marketplace", market.url, "--keys", market.keys_file)
    with begun("submit", job, *where, "--wait") as waiting:
        eventually(market.client.jobs)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(BOUND_S) == 130
        assert waiting.stderr is not None
        assert "goes on" in waiting.stderr.read()
    assert market.client.jobs()[0].status == "available"


def test_an_interrupted_submission_tells_that_the_job_may_be_there(
    market: Market,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    heard = MarketplaceClient.submit

    def interrupted(*arguments: Any) -> str:
        heard(*arguments)
        raise KeyboardInterrupt  # before its answer is read

    monkeypatch.setattr(MarketplaceClient, "submit", interrupted)
    where = ["--marketplace", market.url, "--keys", str(market.keys_file)]
    assert given_here(["submit", str(spec(tmp_path, command=["true"])), *where, "--wait"]) == 130
    assert "goes on" in capsys.readouterr().err
    assert len(market.client.jobs()) == 1


@pytest.mark.parametrize(
    ("job", "tells"),
    [
        ({"command": []}, "command"),
        ({"command": "true"}, "command"),
        ({}, "command"),
        ({"command": ["true"], "timeout": -1}, "timeout"),
        ({"command": ["true"], "colour": "red"}, "colour"),
        ({"command": ["true"], "environment": {"A": 1}}, "environment.A"),
        ({"command": ["true"], "files": {"../x": ""}}, "files"),
    ],
)
def test_a_spec_that_is_wrong_is_refused_by_its_field(
    market: Market, mistake: Mistake, tmp_path: Path, job: dict[str, object], tells: str
) -> None:
    where = ["--marketplace", market.url, "--keys", str(market.keys_file)]
    assert tells in mistake(["submit", str(spec(tmp_path, **job)), *where])
    assert market.client.jobs() == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe{", b"[" * 100_000, b'{"command": [NaN]}'],
    ids=["empty", "open", "list", "null", "bytes", "deep", "nan"],
)
def test_a_spec_that_is_none_is_told_in_a_line(
    market: Market, mistake: Mistake, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(content)
    mistake(["submit", str(path), "--marketplace", market.url, "--keys", str(market.keys_file)])


def test_outputs_do_not_go_over_what_is_there(market: Market, tmp_path: Path) -> None:
    job = spec(tmp_path, command=["true"])
    where = ("--marketplace", market.url, "--keys", market.keys_file)
    assert "no empty directory" in complaint(node3nb("submit", job, *where, "--output", tmp_path))
    assert market.client.jobs() == []


def test_keys_that_others_may_read_are_refused(market: Market, tmp_path: Path) -> None:
    market.keys_file.chmod(0o644)
    job = spec(tmp_path, command=["true"])
    where = ("--marketplace", market.url, "--keys", market.keys_file)
    for words in (("submit", job, *where), ("provide", *where)):
        assert f"chmod 600 {market.keys_file}" in complaint(node3nb(*words))


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        (["submit", "spec.json"], "NODE3_CONSUMER_KEY"),
        (["submit", "spec.json", "--keys", "missing"], "missing is not there"),
        (["submit", "missing.json", "--keys", "keys.json"], "missing.json can't be read"),
        (["provide", "--marketplace", "nonsense"], "is no marketplace"),
        (["provide", "--marketplace", "http://[::1"], "is no marketplace"),
        (["provide", "--marketplace", "http://market.example"], "--allow-insecure-http"),
        (
            ["provide", "--marketplace", "https://market.invalid", "--isolation", "limits"],
            "--allow-weak-isolation",
        ),
        (["provide", "--slots", "0"], "max_concurrent_jobs: 0"),
        (["provide", "--slots", "many"], "--slots"),
        (["provide", "--once", "0"], "max_jobs: 0"),
        (["provide", "--wallet", "x" * 300], "wallet_address"),
        (["provide", "--no-native"], "Nothing here can run jobs"),
        (["provide", "--keys", "missing"], "missing is not there"),
        (["marketplace", "--port", "99999999"], "99999999 is no port"),
        (["marketplace", "--data", "/dev/null/x"], "/dev/null"),
        (["marketplace", "--db", "nonsense"], "db: "),
        (["status"], "No provider runs"),
        (["stop", "--json"], "No provider runs"),
        (["pause", "--pid", "1"], "No provider runs"),
        (["demo", "missing"], "missing is no directory"),
        (["demo", "."], "."),
        (["provdie"], "did you mean `provide`?"),
        (["xyzzy"], "there is no command 'xyzzy'"),
        (["run", "--unknown"], "unknown"),
        ([], "required"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    mistake: Mistake,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    tells: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    spec(tmp_path, command=["true"])
    keys = tmp_path / "keys.json"
    keys.write_text('{"consumer": "a-key"}')
    keys.chmod(0o600)
    assert tells in mistake(words)


def test_a_marketplace_that_is_away_is_told_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    env = {"NODE3_CONSUMER_KEY": "a-key", "NODE3_MARKETPLACE": f"http://127.0.0.1:{port}"}
    ended = node3nb("submit", spec(tmp_path, command=["true"]), env=env)
    assert "can't be reached; check its URL" in complaint(ended)


def test_a_home_that_cannot_be_is_told_in_a_line() -> None:
    for words in (("run", "--", "true"), ("doctor",), ("status",)):
        assert "set NODE3_HOME" in complaint(node3nb(*words, env={"NODE3_HOME": "/dev/null/x"}))


def test_a_provider_is_controlled_from_a_terminal(market: Market) -> None:
    with provide(market) as running:
        eventually(lambda: provided(market))
        assert answered("status", "--json")["state"] == "running"
        assert answered("pause", "--json")["state"] == "paused"
        assert node3nb("status").stdout.startswith("paused: You paused it.\n")
        assert answered("resume", "--json", "--pid", running.pid)["state"] == "running"
        assert "No provider runs" in complaint(node3nb("status", "--pid", 1))
        assert answered("drain", "--json")["state"] == "draining"
        assert running.wait(BOUND_S) == 0
    assert "No provider runs" in complaint(node3nb("status"))


def test_which_provider_is_meant_has_to_be_said(market: Market) -> None:
    with provide(market) as one, provide(market) as other:
        eventually(lambda: len(control.sockets(config.control_dir())) == 2)
        line = complaint(node3nb("status"))
        assert "Several providers run" in line
        assert str(one.pid) in line
        assert str(other.pid) in line
        for each in (one, other):
            answered("stop", "--json", "--pid", each.pid)
            assert each.wait(BOUND_S) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_jobs_back(market: Market, number: int) -> None:
    job_id = market.client.submit({"command": SLEEPS})
    with provide(market) as running:
        eventually(lambda: list(config.work_dir().glob("*/*/log/stdout")))
        family = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(number)
        assert running.wait(BOUND_S) == 0
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()
    assert market.client.job(job_id).status == "available"
    assert psutil.wait_procs(family, BOUND_S)[1] == []
    assert list(config.work_dir().iterdir()) == []


def test_a_killed_provider_leaves_a_socket_that_is_cleared(market: Market) -> None:
    with provide(market) as running:
        eventually(lambda: provided(market))
        running.kill()
        running.wait(BOUND_S)
    assert str(NotRunning()) in complaint(node3nb("status"))
    assert os.listdir(config.control_dir()) == []
