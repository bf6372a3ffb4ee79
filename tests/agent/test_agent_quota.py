"""What all jobs together may have: changed while a provider runs, and kept to."""

from __future__ import annotations

import pytest
from agent.agent_parts import SLEEPS, Market, eventually, provider, settings, told
from support import needs

from node3nb.agent.quota import LEAST, LiveQuota
from node3nb.agent.settings import Settings
from node3nb.errors import ConfigError
from node3nb.hardware import Machine
from node3nb.jobs import GIB, MIB
from node3nb.provider import Provider


def running(now: Provider) -> list[str]:
    return [job.job_id for job in now.snapshot().jobs if job.wall_s is None]


def test_more_slots_take_more_jobs_and_fewer_take_none(market: Market) -> None:
    jobs = {market.submit(SLEEPS) for _ in range(3)}
    with provider(market.url, max_concurrent_jobs=1) as now:
        eventually(lambda: len(running(now)) == 1)
        now.quota.set(slots=2)
        eventually(lambda: len(running(now)) == 2)
        assert now.snapshot().slots == 2

        now.quota.set(slots=1)
        first, second = running(now)
        (third,) = jobs - {first, second}
        now.cancel(first)
        eventually(lambda: running(now) == [second])
        assert market.client.job(third).status == "available"
        now.cancel(second)
        market.until_begun(now, third)
        assert running(now) == [third]


def test_less_memory_is_what_the_next_jobs_get(market: Market) -> None:
    with provider(market.url, max_concurrent_jobs=1) as now:
        now.quota.set(memory_bytes=256 * MIB)
        own = market.submit(["python", "-c", "print(1)"])
        assert market.result(own).ok
        (job,) = now.snapshot().jobs
        assert job.memory_limit_bytes == 256 * MIB

        now.quota.set(memory_bytes=128 * MIB, slots=2)
        assert market.result(market.submit(["python", "-c", "print(1)"])).ok
        assert now.snapshot().jobs[0].memory_limit_bytes == 64 * MIB


def test_a_job_that_asks_for_more_than_is_given_waits_until_more_is(market: Market) -> None:
    with provider(market.url) as now:
        now.quota.set(memory_bytes=256 * MIB)
        job_id = market.submit(["true"], requirements={"memory_bytes": 512 * MIB})
        assert market.result(market.submit(["true"])).ok
        assert market.client.job(job_id).status == "available"
        now.quota.set(memory_bytes=GIB)
        assert market.result(job_id).ok


def test_memory_is_counted_over_all_that_run(market: Market) -> None:
    half = {"memory_bytes": 160 * MIB}
    with provider(market.url) as now:
        now.quota.set(memory_bytes=256 * MIB)
        first = market.submit(SLEEPS, requirements=half)
        market.until_begun(now, first)
        second = market.submit(["true"], requirements=half)
        eventually(lambda: told(now, "GiB of memory; 0.0938 are free for jobs"))
        now.cancel(first)
        assert market.result(second).ok


def test_fewer_cores_than_there_are_are_counted_out(market: Market) -> None:
    with provider(market.url, max_concurrent_jobs=4) as now:
        if now.quota.most.cpus < 2:
            needs.miss("one core can't be made fewer")
        now.quota.set(cpus=1)
        first = market.submit(SLEEPS)
        market.until_begun(now, first)
        second = market.submit(["true"])
        eventually(lambda: told(now, "It asks for 1 cores; 0 are free for jobs."))
        now.quota.set(cpus=now.quota.most.cpus)
        assert market.result(second).ok


def test_gpus_are_given_to_one_job_at_a_time(market: Market) -> None:
    gpu = {
        "gpu_model": "Test",
        "gpu_vendor": "NVIDIA",
        "gpu_type": "nvidia",
        "compute_framework": "CUDA",
        "gpu_memory": GIB,
        "compute_capability": "8.0",
    }
    one = {"gpus": 1}
    now = Provider(market.url, gpu_info=gpu, docker_manager=None, settings=settings()).start()
    try:
        assert now.quota.most.gpus == 1
        now.quota.set(gpus=0)
        job_id = market.submit(["true"], requirements=one)
        assert market.result(market.submit(["true"])).ok
        assert market.client.job(job_id).status == "available"
        now.quota.set(gpus=1)
        assert market.result(job_id).ok
    finally:
        now.stop()


@pytest.mark.parametrize(
    ("wanted", "told_of"),
    [
        ({"slots": 0}, "slots: 0 is not between 1 and 16."),
        ({"slots": True}, "slots: True is no whole number."),
        ({"cpus": 5}, "cpus: 5 is not between 1 and 4."),
        ({"memory_bytes": 1.5}, "memory_bytes: 1.5 is no whole number."),
        ({"memory_bytes": 1}, f"memory_bytes: 1 is not between {LEAST.memory_bytes}"),
        ({"gpus": 1}, "gpus: 1 is not between 0 and 0."),
        ({"rockets": 1}, "rockets is no limit; there are cpus, gpus, memory_bytes, slots."),
    ],
)
def test_what_can_not_be_had_is_refused_by_name(wanted: dict[str, object], told_of: str) -> None:
    quota = LiveQuota(Settings(), Machine(4, 8 * GIB), 0)
    before = quota.now
    with pytest.raises(ConfigError) as refused:
        quota.set(**{"slots": 3, **wanted})
    assert told_of in str(refused.value)
    assert quota.now == before


def test_what_an_owner_chose_before_counts_as_far_as_there_is() -> None:
    chosen = Settings(max_cpus=64, max_memory_bytes=2 * GIB, max_gpus=2)
    quota = LiveQuota(chosen, Machine(4, 8 * GIB), 1)
    assert (quota.now.cpus, quota.now.memory_bytes, quota.now.gpus) == (4, 2 * GIB, 1)
    usual = LiveQuota(Settings(), Machine(4, 8 * GIB), 1).now
    assert (usual.slots, usual.cpus, usual.memory_bytes, usual.gpus) == (2, 4, 6 * GIB, 1)


def test_one_that_has_ended_starts_again_as_its_owner_left_it(market: Market) -> None:
    with provider(market.url, max_memory_bytes=GIB) as now:
        assert market.result(market.submit(["true"])).ok
        now.quota.set(slots=1)
    now.start()
    try:
        assert (now.quota.now.slots, now.quota.now.memory_bytes) == (1, GIB)
        assert market.result(market.submit(["true"])).ok
        eventually(lambda: now.snapshot().completed == 1)
        assert now.snapshot().ever.completed == 2
    finally:
        now.stop()
