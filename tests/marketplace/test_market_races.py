"""Many agents at once: no job is ever given to two."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from marketplace.market_parts import BOTH, COMPLETION, Market, Person, said

from node3nb.marketplace.store import files, uploads
from node3nb.marketplace.store.files import StoredFile
from node3nb.marketplace.store.storage import Quota
from node3nb.marketplace.store.uploads import Upload
from node3nb.marketplace.wire.words import ArtifactKind

DATABASES = BOTH

JOBS = 50


def work(agent: Person) -> list[str]:
    """Run jobs until there are none, and return those that were ours."""
    ours = []
    while offered := agent.offered():
        for job_id in offered:
            answer = agent.accept(job_id)
            assert answer.status_code in {200, 400}
            if answer.status_code == 200:
                ours.append(job_id)
                said(agent.complete(job_id, lease_id=answer.json()["lease_id"]))
    return ours


@pytest.mark.parametrize("agents", [2, 6])
def test_agents_that_race_for_jobs_never_share_one(market: Market, agents: int) -> None:
    job_ids = [market.consumer.submit() for _ in range(JOBS)]
    racers = [market.agent() for _ in range(agents)]
    with ThreadPoolExecutor(agents) as pool:
        taken = [job_id for ours in pool.map(work, racers) for job_id in ours]
    assert sorted(taken) == sorted(job_ids)


def test_one_job_and_many_hands(market: Market) -> None:
    job_id = market.consumer.submit()
    agents = [market.agent() for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        codes = list(pool.map(lambda agent: agent.accept(job_id).status_code, agents))
    assert sorted(codes) == [200] + [400] * 11


def test_a_submission_repeated_at_the_same_time_is_one_job(market: Market) -> None:
    people = [market.person(market.consumer.key) for _ in range(8)]
    names = {"Idempotency-Key": "together"}

    def submit(person: Person) -> str:
        answer = person.post("/api/jobs", {"command": ["true"]}, headers=names)
        return str(said(answer)["job_id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(submit, people))) == 1


def test_a_completion_repeated_at_the_same_time_has_one_answer(market: Market) -> None:
    job_id, agent = market.consumer.submit(reward=4), market.agent()
    report = {**COMPLETION, "lease_id": agent.lease(job_id)}
    people = [market.person(agent.key) for _ in range(8)]

    def complete(person: Person) -> str:
        return str(said(person.post(f"/api/jobs/{job_id}/complete", report)))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(complete, people))) == 1
    events = [event["event"] for event in market.consumer.job(job_id)["history"]]
    assert events.count("completed") == 1


def test_an_input_of_whose_arrival_two_calls_tell_at_once_is_kept(market: Market) -> None:
    job_id, sha256 = market.consumer.submit(awaits_input=True), "ab" * 32
    file = StoredFile(uploads.new_name(), 3, sha256)
    upload = Upload(file.name, job_id, ArtifactKind.INPUT, 0, file.bytes, sha256, 2e9)
    market.do(lambda connection: uploads.begin(connection, upload, Quota(1 << 20, 10)))
    for _ in range(2):
        kept = market.do(lambda connection: files.keep_input(connection, job_id, file, 1.8e9))
        assert (kept.file, kept.spare) == (file, ())
