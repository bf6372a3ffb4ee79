"""Reading a job: what is malformed is refused by file and field."""

from pathlib import Path

import pytest
from support.sample_job_parts import (
    changed,
    write_job,
)

from node3nb import sample_jobs
from node3nb.errors import ConfigError


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ("{", r"^01_job/job\.json: .*JSON"),
        ("[]", r"^01_job/job\.json: "),
        (changed("surprise", 1), r"job\.json: surprise: "),
        (changed("description", ""), r"job\.json: description: "),
        (changed("job/surprise", 1), r"job\.json: job\.surprise: "),
        (changed("job/timeout", "5"), r"job\.json: job\.timeout: "),
        (changed("job/timeout", -1), r"job\.json: job\.timeout: "),
        (changed("job/command", []), r"job\.json: job\.command: "),
        (changed("job/environment", {"A": "x\ny"}), r"job\.json: job\.environment\.A: "),
        (changed("job/requirements", {"cpu": 1}), r"job\.json: job\.requirements\.cpu: "),
        (changed("job/files", {"a": "b"}), r"job\.json: job\.files: leave it out; .*scripts"),
        (changed("job/input_data_url", "http://x/y"), r"job\.input_data_url: leave it out"),
        (changed("job/output_upload_url", "http://x/y"), r"job\.output_upload_url: leave it out"),
        (changed("job/input_sha256", "0" * 64), r"job\.input_sha256: leave it out"),
        (changed("job/awaits_input", True), r"job\.awaits_input: leave it out"),
        (changed("scripts", ["gone.py"]), r"job\.json: scripts: gone\.py: it can't be read"),
        (changed("scripts", ["../main.py"]), r"job\.json: scripts\.0: "),
        (changed("needs", "numpy"), r"job\.json: needs: "),
        (changed("input/make", "gone.py"), r"job\.json: input\.make: gone\.py: it can't be read"),
        (changed("input/file", "../x"), r"job\.json: input\.file: "),
        (changed("input/url", "x"), r"job\.json: input\.url: "),
        (changed("expect/state", "running"), r"job\.json: expect: .*final"),
        (changed("expect/state", "done"), r"job\.json: expect\.state: "),
        (changed("expect/reason", "timed_out"), r"job\.json: expect: .*exit_code"),
        (changed("expect/exit_code", 3), r"job\.json: expect: .*completed"),
        (changed("expect/stdout_contains", "hello"), r"job\.json: expect\.stdout_contains: "),
        (changed("expect/outputs/x", {}), r"job\.json: expect\.outputs\.x: .*exactly one"),
        (changed("expect/outputs/x", {"json": None, "text": ""}), r"outputs\.x: .*exactly one"),
        (changed("expect/outputs/x", {"text": "", "tolerance": 0.1}), r"outputs\.x: .*tolerance"),
        (changed("expect/outputs/x", {"sha256": "0"}), r"job\.json: expect\.outputs\.x\.sha256: "),
        (changed("expect/outputs/x", {"min_bytes": 0}), r"expect\.outputs\.x\.min_bytes: "),
    ],
)
def test_a_malformed_job_is_refused_by_file_and_field(
    tmp_path: Path, described: object, message: str
) -> None:
    write_job(tmp_path, described)
    with pytest.raises(ConfigError, match=message):
        sample_jobs.load(tmp_path)


def test_a_job_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    directory = write_job(tmp_path)
    (directory / "main.py").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"^01_job/job\.json: scripts: main\.py: it is not UTF-8"):
        sample_jobs.load(tmp_path)


def test_a_directory_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no directory"):
        sample_jobs.load(tmp_path / "gone")
    with pytest.raises(ConfigError, match="holds no jobs"):
        sample_jobs.load(tmp_path)
    (tmp_path / "01_empty").mkdir()
    with pytest.raises(ConfigError, match=r"^01_empty/job\.json: it can't be read"):
        sample_jobs.load(tmp_path)


def test_a_directory_is_named_like_a_job(tmp_path: Path) -> None:
    write_job(tmp_path, name="my job")
    with pytest.raises(ConfigError, match=r"^my job: name the directory like"):
        sample_jobs.load(tmp_path)


def test_what_this_python_lacks_is_named(tmp_path: Path) -> None:
    job = sample_jobs.load_job(write_job(tmp_path, changed("needs", ["pytest", "no-such-thing"])))
    assert job.missing() == ("no-such-thing",)
    with pytest.raises(ConfigError, match=r"^01_job: it needs no-such-thing; install"):
        job.input_path()
