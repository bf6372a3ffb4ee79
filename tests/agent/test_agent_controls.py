"""Pause, resume, drain and stop, from other threads and at awkward moments."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from agent.agent_parts import (
    BOUND_S,
    SLEEPS,
    Managed,
    Market,
    descriptors,
    eventually,
    managed,
    ours,
    provider,
    reason_tells,
    settings,
    told,
)
from support.gates import WAITS, let_go

from node3nb import config
from node3nb.agent.records import ProviderState
from node3nb.errors import AlreadyRunning, ConfigError, NotRunning
from node3nb.job_manager import JobManager
from node3nb.jobs import Isolation
from node3nb.provider import Provider

#: What ends by itself, however it is stopped.
NOBODY = "http://127.0.0.1:9"


def test_a_paused_provider_takes_nothing_until_it_resumes(market: Market) -> None:
    with provider(market.url) as running:
        first = market.submit(SLEEPS)
        market.until_begun(running, first)
        running.pause()
        second = market.submit(["true"])
        assert running.snapshot().state is ProviderState.PAUSED
        assert reason_tells(running, "You paused it.")
        assert market.client.job(second).status == "available"
        market.until(first, "running")
        running.resume()
        assert market.result(second).ok


def test_a_drained_provider_finishes_what_it_has(market: Market) -> None:
    with provider(market.url) as running:
        first = market.submit(["python", "-c", WAITS])
        market.until_begun(running, first)
        running.drain()
        second = market.submit(["true"])
        assert running.snapshot().state is ProviderState.DRAINING
        let_go()
        running.join(BOUND_S)
        assert running.snapshot().state is ProviderState.STOPPED
        assert market.wait(first).status == "completed"
        assert market.client.job(second).status == "available"


def test_an_idle_provider_is_drained_at_once(market: Market) -> None:
    with provider(market.url, wait_s=60.0) as running:
        running.drain()
        running.join(BOUND_S)
        assert not running.running


def test_a_stop_gives_jobs_back_at_once(market: Market) -> None:
    with provider(market.url) as running:
        job_id = market.submit(SLEEPS)
        market.until_begun(running, job_id)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        stopping.join(BOUND_S)
        assert not running.running
    view = market.client.job(job_id)
    assert (view.status, view.attempts) == ("available", 0)
    assert market.client.job(job_id).history[-1]["event"] == "released"


def test_another_provider_finishes_what_one_gave_back(market: Market) -> None:
    with provider(market.url) as running:
        job_id = market.submit(["python", "-c", WAITS + "print('done')"])
        market.until_begun(running, job_id)
    with provider(market.url) as running:
        market.until_begun(running, job_id)
        let_go()
        assert market.result(job_id).stdout == "begun\ndone\n"


def test_it_takes_as_many_jobs_as_it_is_told(market: Market) -> None:
    ids = [market.submit(["true"]) for _ in range(4)]
    with provider(market.url, max_jobs=3) as running:
        running.join(BOUND_S)
        assert running.snapshot().completed == 3
    assert (
        sorted(market.client.job(job_id).status for job_id in ids)
        == ["available"] + ["completed"] * 3
    )


def test_there_is_one_provider_in_a_process(market: Market) -> None:
    with provider(market.url) as running:
        assert Provider.current() is running
        with pytest.raises(AlreadyRunning):
            Provider(market.url, settings=settings()).start()
        with pytest.raises(AlreadyRunning):
            running.start()
    assert Provider.current() is None


def test_what_is_over_is_not_resumed(market: Market) -> None:
    with provider(market.url) as running:
        pass
    for control in (running.pause, running.resume, running.drain):
        with pytest.raises(NotRunning):
            control()
    running.stop()
    assert repr(running) == f"<Provider stopped at {market.url}: It was stopped.>"


def test_nothing_is_left_after_a_stop(market: Market) -> None:
    others = ours()
    with provider(market.url):
        assert market.result(market.submit(["true"])).ok
    eventually(lambda: ours() <= others)
    before = descriptors()
    for _ in range(3):
        with provider(market.url, wait_s=60.0) as running:
            assert market.result(market.submit(["true"])).ok
            eventually(lambda: reason_tells(running, "no job") or running.snapshot().completed)
            names = [thread.name for thread in threading.enumerate()]
            assert not [name for name in names if name.startswith("asyncio")]
    eventually(lambda: ours() <= others)
    market.client.hang_up()
    eventually(lambda: descriptors() <= before + 2)
    assert list(config.work_dir().iterdir()) == []
    assert list(config.control_dir().iterdir()) == []


def test_a_stop_waits_for_no_poll(market: Market) -> None:
    others = ours()
    with provider(market.url, wait_s=60.0) as running:
        eventually(lambda: market.client.status()["agents"]["total"])
        running.stop(BOUND_S / 2)
        assert not running.running
    eventually(lambda: ours() <= others)


def test_a_start_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    others = ours()
    failing = Provider(NOBODY, docker_manager=None, use_native_execution=False)
    with pytest.raises(ConfigError, match="Nothing here can run jobs"):
        failing.start()
    assert not failing.running
    assert failing.snapshot().state is ProviderState.STOPPED
    assert reason_tells(failing, "Nothing here can run jobs")
    eventually(lambda: ours() <= others)
    monkeypatch.setenv("NODE3_HOME", str(config.state_dir() / ("long" * 30)))
    with pytest.raises(ConfigError, match="too long for a socket"):
        Provider(NOBODY, docker_manager=None).start()
    eventually(lambda: ours() <= others)
    assert Provider.current() is None


def test_controls_hurled_from_many_threads_do_no_harm(market: Market) -> None:
    with provider(market.url) as running:
        ids = [market.submit(["true"]) for _ in range(6)]

        def hurl() -> None:
            for _ in range(50):
                running.pause()
                running.snapshot()
                running.resume()
                running.events()
                running.cancel("nobody")

        threads = [threading.Thread(target=hurl) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND_S)
        running.resume()
        assert all(market.result(job_id).ok for job_id in ids)


def test_two_managers_never_run_one_job_at_once(market: Market) -> None:
    """The jobs write into one file, which they reach at level `limits` only."""
    chosen = {"isolation": Isolation.LIMITS}
    stamps = market.data_dir / "stamps"
    script = (
        "import os, sys, time\n"
        "job = os.environ['JOB_ID']\n"
        "out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "os.write(out, f'begin {job}\\n'.encode())\n"
        "time.sleep(0.05)\n"
        "os.write(out, f'end {job}\\n'.encode())\n"
    )
    agents = [market.agent() for _ in range(2)]
    with (
        managed(market.url, agents[0], **chosen) as one,
        managed(market.url, agents[1], **chosen) as other,
    ):
        ids = [market.submit(["python", "-c", script, str(stamps)]) for _ in range(16)]
        assert all(market.result(job_id).ok for job_id in ids)
        eventually(lambda: one.snapshot().completed + other.snapshot().completed == len(ids))
        assert one.snapshot().failed == other.snapshot().failed == 0
    lines = stamps.read_text().splitlines()
    for job_id in ids:
        assert [line for line in lines if line.endswith(job_id)] == [
            f"begin {job_id}",
            f"end {job_id}",
        ]
        assert market.client.job(job_id).attempts == 1


def test_a_kept_key_that_is_refused_is_replaced(market: Market) -> None:
    with provider(market.url) as running:
        eventually(lambda: running.snapshot().agent_id)
        first = running.snapshot().agent_id
    with provider(market.url) as running:
        assert market.result(market.submit(["true"])).ok
        assert running.snapshot().agent_id == first
    config.keep_keys(market.url, {"agent": "n3_agent_0000000000000000_refused", "agent_id": "x"})
    with provider(market.url) as running:
        assert market.result(market.submit(["true"])).ok
        assert told(running, "registering anew")
        assert running.snapshot().agent_id not in {first, "x"}


def test_a_given_key_that_is_refused_is_said(market: Market) -> None:
    with provider(market.url, "n3_agent_0000000000000000_refused") as running:
        eventually(lambda: reason_tells(running, "does not accept the API key"))
        assert reason_tells(running, "--keys FILE")
        assert running.running
        assert market.client.status()["agents"]["total"] == 0


@pytest.mark.parametrize("key", ["with blank", "umläut", "line\nbreak"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="API key") as caught:
        JobManager(NOBODY, key)
    assert key not in str(caught.value)


def test_a_manager_that_was_stopped_before_its_start_ends_at_once(market: Market) -> None:
    manager = JobManager(market.url, market.agent(), settings=settings())
    manager.stop()
    Managed(manager).stop()
    assert manager.snapshot().state is ProviderState.STOPPED


def test_a_forked_process_ends_nothing(market: Market) -> None:
    script = (
        "import os, sys, time\n"
        "from node3nb import Provider\n"
        "running = Provider(sys.argv[1], docker_manager=None).start()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    assert not running.running and Provider.current() is None\n"
        "    sys.exit(7)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
        "assert running.running\n"
        "running.stop()\n"
        "assert not running.running\n"
    )
    command = [sys.executable, "-c", script, market.url]
    subprocess.run(command, check=True, timeout=BOUND_S)


def test_the_end_of_the_process_stops_it(market: Market) -> None:
    script = (
        "import sys, time\n"
        "from node3nb import Provider\n"
        "running = Provider(sys.argv[1], docker_manager=None).start()\n"
        "logs = lambda: [running.logs(job.job_id)[0] for job in running.snapshot().jobs]\n"
        "while not any('begun' in log for log in logs()):\n"
        "    time.sleep(0.02)\n"
    )
    job_id = market.submit(SLEEPS)
    subprocess.run([sys.executable, "-c", script, market.url], check=True, timeout=BOUND_S)
    assert market.client.job(job_id).status == "available"
    assert list(config.work_dir().iterdir()) == []
