"""The marketplace as a process: started, killed, started again."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from marketplace.market_parts import Market, said

from node3nb.errors import ConfigError
from node3nb.marketplace.server import serve
from node3nb.marketplace.settings import Hosting, Settings

#: Bound of the end of a process, in seconds.
END_S = 30


@contextlib.contextmanager
def process(data_dir: Path) -> Iterator[tuple[Market, subprocess.Popen[str]]]:
    """Run a marketplace in its own process; kill it at the end if it still runs."""
    command = [sys.executable, "-m", "node3nb.marketplace", "--port", "0", "--data", str(data_dir)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line.startswith("node3nb marketplace ready on http://127.0.0.1:"), line
            keys = f"To submit jobs to it: --keys {data_dir / 'keys.json'}\n"
            assert child.stdout.readline() == keys
            market = Market(line.split()[-1], data_dir)
            yield market, child
            market.close()
        finally:
            child.kill()


def test_a_killed_marketplace_has_lost_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "market"
    with process(data_dir) as (market, child):
        waiting, held, done = [market.consumer.submit() for _ in range(3)]
        with_input = market.consumer.submit(awaits_input=True)
        said(market.consumer.put(f"/api/jobs/{with_input}/input", b"the input"))
        agent = market.agent()
        lease = agent.lease(held)
        agent.call("PATCH", f"/api/jobs/{held}/log?offset=0", data=b"half a log")
        agent.lease(done)
        said(agent.put(f"/api/jobs/{done}/output", b"the output"))
        said(agent.complete(done, output_data={"exit_code": 0}))
        child.kill()
        child.wait(END_S)
    with process(data_dir) as (market, _child):
        agent = market.person(agent.key)
        assert market.consumer.status(waiting) == "available"
        assert market.consumer.status(held) == "running"
        view = market.consumer.job(done)
        assert (view["status"], view["output_data"]) == ("completed", {"exit_code": 0})
        assert market.consumer.get(f"/api/jobs/{done}/output").content == b"the output"
        assert market.consumer.get(f"/api/jobs/{with_input}/input").content == b"the input"
        assert market.consumer.get(f"/api/jobs/{held}/log").content == b"half a log"
        assert list(agent.beat(**{held: lease})["leases"]) == [held]
        assert agent.offered() == [waiting, with_input]
        said(agent.complete(held, lease_id=lease))


def test_where_it_listens_is_written_down_while_it_runs(tmp_path: Path) -> None:
    with process(tmp_path) as (market, child):
        told = json.loads((tmp_path / "server.json").read_text())
        assert told == {"url": market.url, "pid": child.pid}
        child.terminate()
        assert child.wait(END_S) == -signal.SIGTERM
        assert not (tmp_path / "server.json").exists()


def test_a_second_one_in_its_directory_is_refused_while_it_runs(tmp_path: Path) -> None:
    second = Settings(tmp_path, hosting=Hosting(port=0))
    with process(tmp_path) as (market, _child):
        with pytest.raises(ConfigError, match=f"already, at {market.url}; use that one"):
            serve(second)
        assert (tmp_path / "server.json").exists()
        assert said(market.nobody.get("/health"))["status"] == "healthy"


def test_an_interrupt_ends_it_quietly(tmp_path: Path) -> None:
    with process(tmp_path) as (_market, child):
        child.send_signal(signal.SIGINT)
        assert child.wait(END_S) == 0
        assert child.stdout is not None
        assert child.stdout.read() == ""


def test_what_it_keeps_is_for_its_owner_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "market"
    with process(data_dir):
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "keys.json").stat().st_mode) == 0o600


def test_nothing_secret_is_printed_or_kept_in_the_open(tmp_path: Path) -> None:
    with process(tmp_path) as (market, child):
        agent = market.agent()
        job_id = market.consumer.submit()
        (job,) = agent.poll()
        agent.lease(job_id)
        agent.put(job["output_upload_url"], b"x")
        agent.put(job["output_upload_url"] + "0", b"x")
        market.person("n3_consumer_0000000000000000_wrong").get("/api/jobs")
        child.terminate()
        assert child.stdout is not None
        printed = child.stdout.read()
        secrets = [market.admin.key, market.consumer.key, agent.key]
        secrets.append(job["output_upload_url"].partition("token=")[2])
    database = b"".join(path.read_bytes() for path in tmp_path.glob("marketplace.db*"))
    for secret in secrets:
        assert secret
        assert secret not in printed
        assert secret.encode() not in database


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            serve(Settings(tmp_path, hosting=Hosting(port=port)))


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "mysql://u:secret@host/db"])
def test_a_database_it_cannot_use_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"^db: ") as caught:
        serve(Settings(tmp_path, url, hosting=Hosting(port=0)))
    assert "secret" not in str(caught.value)


def test_unreadable_keys_are_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"keys\.json"):
        serve(Settings(tmp_path, hosting=Hosting(port=0)))
