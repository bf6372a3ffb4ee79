"""What the tests of the agent share: providers, markets, and waits that end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node3nb.agent.settings import Settings
from node3nb.job_manager import JobManager
from node3nb.jobs import JobResult
from node3nb.marketplace.client import consumer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import JobView, Registration
from node3nb.provider import Provider

#: Bound of every wait, in seconds; nothing here takes a tenth of it on an idle machine.
BOUND_S = 60.0
SLEEPS = ["python", "-c", "import time; print('begun', flush=True); time.sleep(600)"]


def settings(**chosen: Any) -> Settings:
    """Return an owner's choices for tests: two jobs at once, no long waits."""
    quick: dict[str, Any] = {
        "max_concurrent_jobs": 2,
        "poll_s": 0.1,
        "wait_s": 2.0,
        "heartbeat_s": 0.2,
    }
    return Settings(**quick | chosen)


@contextlib.contextmanager
def provider(url: str, key: str | None = None, **chosen: Any) -> Iterator[Provider]:
    """Run a provider until the block ends."""
    running = Provider(url, key, docker_manager=None, settings=settings(**chosen)).start()
    try:
        yield running
    finally:
        running.stop()
    assert not running.running


@dataclass
class Managed:
    """A JobManager that serves on a thread; there may be several in one process."""

    manager: JobManager
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        try:
            asyncio.run(self.manager.start())
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        self.manager.stop()
        self.thread.join(BOUND_S)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def managed(url: str, key: str, **chosen: Any) -> Iterator[JobManager]:
    """Run a JobManager on a thread until the block ends."""
    running = Managed(JobManager(url, key, settings=settings(**chosen)))
    try:
        yield running.manager
    finally:
        running.stop()
    assert running.error is None


def eventually(true: Callable[[], Any]) -> Any:
    """Wait until something is so, and return what it is."""
    deadline = time.monotonic() + BOUND_S
    while not (value := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def told(running: Provider | JobManager, text: str) -> bool:
    """Whether an event tells something."""
    return any(text in entry.text for entry in running.events())


def reason_tells(running: Provider | JobManager, text: str) -> bool:
    """Whether the provider's reason for what it does tells something."""
    return text in running.snapshot().reason


@dataclass
class Market:
    """One of our marketplaces, with a consumer's client."""

    url: str
    data_dir: Path

    def __post_init__(self) -> None:
        self.keys: dict[str, str] = json.loads((self.data_dir / "keys.json").read_text())
        self.client = MarketplaceClient(self.url, self.keys["consumer"])

    def submit(self, command: list[str], **job: Any) -> str:
        return consumer.submit(self.client, {"command": command, **job})

    def wait(self, job_id: str) -> JobView:
        return consumer.wait(self.client, job_id, BOUND_S)

    def result(self, job_id: str) -> JobResult:
        return consumer.result_of(self.wait(job_id))

    def until(self, job_id: str, *statuses: str) -> JobView:
        eventually(lambda: self.client.job(job_id).status in statuses)
        return self.client.job(job_id)

    def until_begun(self, running: Provider | JobManager, job_id: str) -> None:
        """Wait until a job of SLEEPS has printed that it runs."""
        eventually(lambda: "begun" in (running.logs(job_id) or ("",))[0])

    def agent(self) -> str:
        """Return the key of a new agent."""
        none = {"gpu_model": "none", "gpu_vendor": "none", "gpu_memory": 0}
        return self.client.register(Registration(wallet_address="0xabc", **none)).api_key


#: Threads that lived before the test.
STRANGERS: set[threading.Thread] = set()


def ours() -> set[threading.Thread]:
    """Return the threads of providers, and of their executors, that live now."""
    kinds = ("node3nb-io", "node3nb-provider", "node3nb-supervisor", "node3nb-transfer")
    return {thread for thread in threading.enumerate() if thread.name.startswith(kinds)}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
