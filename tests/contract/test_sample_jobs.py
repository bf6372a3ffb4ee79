"""Every job in `test_jobs/` gives its result on every executor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.conftest import ENGINES
from support import needs
from support.engines import PLAIN, SCIENCE, SCIENCE_PACKAGES
from support.sample_job_parts import NAMES, TEST_JOBS, unpack

from node3nb import DockerManager, sample_jobs
from node3nb.containers.policy import ContainerPolicy
from node3nb.execution import perform
from node3nb.executor import Executor, SilentReporter, choose
from node3nb.files import workspace


@pytest.fixture(scope="module")
def executor(kind: str, request: pytest.FixtureRequest) -> Iterator[Executor]:
    made: Executor
    if kind == "native":
        made = needs.native(None)
    else:
        engine = request.getfixturevalue(ENGINES[kind])
        engine.have(SCIENCE, modules=SCIENCE_PACKAGES)
        allowed = ("docker.io/library/*", "docker.io/node3nb-test/*")
        policy = ContainerPolicy(default_image=SCIENCE, own_images=allowed)
        made = DockerManager(policy, hints=engine.hints)
    yield made
    made.close()


@pytest.mark.parametrize("name", NAMES)
def test_sample_job(executor: Executor, kind: str, name: str, tmp_path: Path) -> None:
    sample = sample_jobs.load_job(TEST_JOBS / name)
    spec = sample.spec()
    choice = choose(spec, (executor,))
    assert choice.executor is executor
    assert kind == "native" or (spec.image or SCIENCE) in choice.why
    assert spec.image in {"", PLAIN}
    with workspace.temporary(tmp_path, "work") as place:

        def stage(*_: object) -> None:
            if source := sample.input_path():
                unpack(source, place.input)

        done = perform(spec, executor, place, stage, SilentReporter(), why=choice.why)
        read = lambda path: (place.output / path).read_bytes()  # noqa: E731
        assert sample_jobs.check(sample, done.result, read) == ()
    assert done.result.why == choice.why
