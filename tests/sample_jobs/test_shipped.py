"""The sample jobs in the repository are well described, and right when run plainly."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.sample_job_parts import (
    HOSTILE,
    NAMES,
    TEST_JOBS,
    run_plainly,
)

from node3nb import sample_jobs
from node3nb.marketplace.wire.protocol import JobSubmission


def test_every_job_loads_in_order() -> None:
    assert [job.name for job in sample_jobs.load(TEST_JOBS)] == NAMES
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_submission_is_plain_json_that_our_own_server_takes(name: str) -> None:
    job = sample_jobs.load_job(TEST_JOBS / name)
    body = json.dumps(job.submission())
    taken = JobSubmission.model_validate_json(body)
    assert taken == job.job
    described = json.loads((TEST_JOBS / name / "job.json").read_text(encoding="utf-8"))
    assert list(taken.files) == described["scripts"]
    assert taken.awaits_input == (job.recipe is not None)


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_carries_the_files_and_the_limits(name: str) -> None:
    job = sample_jobs.load_job(TEST_JOBS / name)
    spec = job.spec("run-1")
    assert spec.job_id == "run-1"
    assert spec.files == job.job.files
    assert spec.limits.timeout_s == job.job.timeout
    assert spec.limits.memory_bytes == job.job.requirements.memory_bytes
    assert job.spec().job_id != job.spec().job_id


def test_the_files_in_the_repository_are_small() -> None:
    files = [path for path in TEST_JOBS.rglob("*") if "generated" not in path.parts]
    assert all(path.stat().st_size < 300_000 for path in files if path.is_file())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HOSTILE])
def test_a_job_gives_its_result_when_run_plainly(name: str, tmp_path: Path) -> None:
    job = sample_jobs.load_job(TEST_JOBS / name)
    assert not job.missing(), "the test extra brings what the jobs need"
    result, output = run_plainly(job, tmp_path)
    assert sample_jobs.check(job, result, lambda path: (output / path).read_bytes()) == ()


def test_training_again_gives_the_model_that_is_shipped(tmp_path: Path) -> None:
    source = TEST_JOBS / "08_ml_inference"
    shutil.copy(source / "train.py", tmp_path)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True, timeout=60)
    shipped = json.loads((source / "model.json").read_text())
    trained = json.loads((tmp_path / "model.json").read_text())
    assert trained["classes"] == shipped["classes"]
    for again, before in zip(trained["coefficients"], shipped["coefficients"], strict=True):
        assert again == pytest.approx(before, abs=0.01)
