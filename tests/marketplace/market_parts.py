"""What the tests of the marketplace share: a clock to set, and people who call."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests
import sqlalchemy as sa

from node3nb.marketplace.keys import Role
from node3nb.marketplace.store import ledger
from node3nb.marketplace.store.ledger import Audit

T = TypeVar("T")

#: Bound of every call, in seconds.
CALL_S = 30
#: Both databases, for modules in which it matters which one it is.
BOTH = ("sqlite", "postgresql")
FINAL = {"completed", "failed", "cancelled"}
MACHINE = {"wallet_address": "0xabc", "gpu_model": "none", "gpu_vendor": "none", "gpu_memory": 0}
BASE_QUERY = {
    "gpu_model": "none",
    "gpu_vendor": "none",
    "gpu_type": "none",
    "compute_framework": "cpu",
    "gpu_memory": 0,
    "compute_capability": None,
    "max_concurrent_jobs": 1,
}
COMPLETION = {
    "status": "completed",
    "started_at": "2026-01-01T00:00:00Z",
    "completed_at": "2026-01-01T00:00:01Z",
    "duration": 1.0,
}
FAILURE = {
    "status": "failed",
    "error_message": "it broke",
    "started_at": "2026-01-01T00:00:00Z",
    "failed_at": "2026-01-01T00:00:01Z",
}


@dataclass
class SetClock:
    """A clock that stands still until it is told."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Person:
    """Somebody who calls a marketplace with a key, or with none."""

    url: str
    key: str | None = None
    agent_id: str = ""
    key_id: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **sent: Any) -> requests.Response:
        headers = dict(sent.pop("headers", {}))
        if self.key is not None:
            headers.setdefault("X-API-Key", self.key)
        url = path if path.startswith("http") else self.url + path
        return self.session.request(method, url, headers=headers, timeout=CALL_S, **sent)

    def get(self, path: str, **sent: Any) -> requests.Response:
        return self.call("GET", path, **sent)

    def post(self, path: str, json: Any = None, **sent: Any) -> requests.Response:
        return self.call("POST", path, json=json, **sent)

    def put(self, path: str, data: Any, **sent: Any) -> requests.Response:
        return self.call("PUT", path, data=data, **sent)

    def submit(self, **job: Any) -> str:
        """Submit a job that must be taken, and return its id."""
        return str(said(self.post("/api/jobs", {"command": ["true"], **job}))["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return said(self.get(f"/api/jobs/{job_id}"))

    def status(self, job_id: str) -> str:
        return str(self.job(job_id)["status"])

    def poll(self, **query: Any) -> list[dict[str, Any]]:
        return list(said(self.post("/api/jobs/available", {**BASE_QUERY, **query}))["jobs"])

    def offered(self, **query: Any) -> list[str]:
        return [job["job_id"] for job in self.poll(**query)]

    def accept(self, job_id: str, **sent: Any) -> requests.Response:
        return self.post(f"/api/jobs/{job_id}/accept", {"wallet_address": "0xabc"}, **sent)

    def lease(self, job_id: str) -> str:
        """Accept a job that must be free, and return the lease."""
        return str(said(self.accept(job_id))["lease_id"])

    def complete(self, job_id: str, **told: Any) -> requests.Response:
        return self.post(f"/api/jobs/{job_id}/complete", {**COMPLETION, **told})

    def fail(self, job_id: str, **told: Any) -> requests.Response:
        return self.post(f"/api/jobs/{job_id}/fail", {**FAILURE, **told})

    def beat(self, **jobs: str) -> dict[str, Any]:
        return said(self.post("/api/agents/heartbeat", {"jobs": jobs, "state": "running"}))


@dataclass
class Market:
    """A running marketplace and the people of its first start."""

    url: str
    data_dir: Path
    #: None is the file in the data directory.
    database_url: str | None = None

    def __post_init__(self) -> None:
        self.people: list[Person] = []
        first = json.loads((self.data_dir / "keys.json").read_text())
        self.admin = self.person(first["admin"])
        self.consumer = self.person(first["consumer"])
        self.nobody = self.person(None)

    def person(self, key: str | None) -> Person:
        person = Person(self.url, key)
        self.people.append(person)
        return person

    def agent(self, **machine: Any) -> Person:
        answer = said(self.nobody.post("/api/agents/register", {**MACHINE, **machine}))
        agent = self.person(answer["api_key"])
        agent.agent_id = answer["agent_id"]
        return agent

    def bearer(self, role: Role, **asked: Any) -> Person:
        """Have the administrator make a key of a kind."""
        made = said(self.admin.post("/api/admin/keys", {"role": role, **asked}))
        bearer = self.person(made["api_key"])
        bearer.key_id = made["key_id"]
        return bearer

    def other_consumer(self, *, revoked: bool = False) -> Person:
        consumer = self.bearer(Role.CONSUMER)
        if revoked:
            said(self.admin.post(f"/api/admin/keys/{consumer.key_id}/revoke"))
        return consumer

    def do(self, operation: Callable[[sa.Connection], T]) -> T:
        """Ask or change the database behind the server's back."""
        engine = sa.create_engine(
            self.database_url or f"sqlite:///{self.data_dir / 'marketplace.db'}"
        )
        with engine.begin() as connection:
            result = operation(connection)
        engine.dispose()
        return result

    def audit(self) -> Audit:
        """Compare the ledger with the jobs."""
        return self.do(ledger.audit)

    def close(self) -> None:
        for person in self.people:
            person.session.close()


def waiting(person: Person, told: list[int]) -> threading.Thread:
    def poll() -> None:
        body = {**BASE_QUERY, "wait_s": 30, "gpu_model": "waits"}
        told.append(person.post("/api/jobs/available", body).status_code)

    thread = threading.Thread(target=poll)
    thread.start()
    return thread


def in_progress(market: Market) -> int:
    text = market.admin.get("/metrics").text
    (line,) = [
        each for each in text.splitlines() if each.startswith("node3nb_requests_in_progress ")
    ]
    return int(float(line.split()[1]))


def said(answer: requests.Response) -> dict[str, Any]:
    """Return the object of an answer that must be good."""
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return dict(answer.json())


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Return the code and the sentence of an answer that must be a refusal."""
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert detail.endswith(".")
    return answer.status_code, detail


def eventually(true: Callable[[], bool]) -> None:
    """Wait, within the bound of a call, until something is so."""
    deadline = time.monotonic() + CALL_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
