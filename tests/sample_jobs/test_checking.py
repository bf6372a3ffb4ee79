"""Checking a result: every kind of difference is found."""

from pathlib import Path

import pytest
from support.sample_job_parts import (
    CONTENTS,
    changed,
    good_result,
    write_job,
)

from node3nb import sample_jobs
from node3nb.jobs import ExitReason, JobResult, JobState


def differences(tmp_path: Path, result: JobResult, contents: dict[str, bytes]) -> tuple[str, ...]:
    job = sample_jobs.load_job(write_job(tmp_path))
    return sample_jobs.check(job, result, contents.__getitem__)


def test_the_right_result_has_no_difference(tmp_path: Path) -> None:
    assert differences(tmp_path, good_result(), CONTENTS) == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"state": JobState.FAILED, "message": "Broken."}, "state: failed instead of completed. B"),
        ({"reason": ExitReason.LOST}, "reason: lost instead of exited."),
        ({"exit_code": 1}, "exit_code: 1 instead of 0."),
        ({"exit_code": None}, "exit_code: None instead of 0."),
        ({"stdout": "hello"}, "stdout: '' instead of '\\n' after 5 characters"),
        ({"stdout": "hello\n!"}, "stdout: '!' instead of '' after 6 characters"),
        ({"stderr": "it is cold\n"}, "stderr: 'warm' is not in it"),
    ],
)
def test_a_wrong_ending_is_a_difference(
    tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    [found] = differences(tmp_path, good_result(**fields), CONTENTS)
    assert found.startswith(message)


def test_a_text_missing_from_standard_output_is_a_difference(tmp_path: Path) -> None:
    described = changed("expect/stdout", None)
    described["expect"]["stdout_contains"] = ["hello", "goodbye"]
    job = sample_jobs.load_job(write_job(tmp_path, described))
    found = sample_jobs.check(job, good_result(), CONTENTS.__getitem__)
    assert found == ("stdout: 'goodbye' is not in it",)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("a.json", b'{"n": [1, 2.6], "on": true, "none": null}', "$.n[1]: 2.6 instead of 2.5"),
        ("a.json", b'{"n": [1], "on": true, "none": null}', "$.n: 1 elements instead of 2"),
        ("a.json", b'{"n": 1, "on": true, "none": null}', "$.n: 1 instead of [1, 2.5]"),
        ("a.json", b'{"n": [1, 2.5], "on": 1, "none": null}', "$.on: 1 instead of True"),
        ("a.json", b'{"n": [true, 2.5], "on": true, "none": null}', "$.n[0]: True instead of 1"),
        ("a.json", b'{"n": [NaN, 2.5], "on": true, "none": null}', "$.n[0]: nan instead of 1"),
        ("a.json", b'{"n": [1, 2.5], "on": true}', "$: 'none' is missing"),
        ("a.json", b'{"n":[1,2.5],"on":true,"none":null,"x":0}', "$: 'x' is not expected"),
        ("a.json", b'{"n": [%s, 2.5], "on": true, "none": null}' % (b"9" * 400), "$.n[0]: 999"),
        ("a.json", b"{", "b'{' is not JSON"),
        ("a.json", b"[" * 100_000, "b'[[[[[["),
        ("a.json", b"\xff", "b'\\xff' is not JSON"),
        ("b.txt", b"uber\n", "'uber\\n' instead of '\\xfcber\\n' after 0 characters"),
        ("b.txt", b"\xff", "'\\\\xff' instead of"),
        ("c.bin", b"\0\2", "its SHA-256 is not "),
        ("d.bin", b"ab", "2 bytes are fewer than 3"),
    ],
)
def test_a_wrong_content_is_a_difference(
    tmp_path: Path, path: str, content: bytes, message: str
) -> None:
    contents = CONTENTS | {path: content}
    [found] = differences(tmp_path, good_result(contents), contents)
    assert found.startswith(f"{path}: {message}")


def test_a_number_is_exact_without_a_tolerance(tmp_path: Path) -> None:
    described = changed("expect/outputs", {"n.json": {"json": 1}})
    job = sample_jobs.load_job(write_job(tmp_path, described))
    for content, right in ((b"1", True), (b"1.0", True), (b"1.0000001", False)):
        result = good_result({"n.json": content})
        assert (not sample_jobs.check(job, result, lambda _, held=content: held)) is right


def test_an_output_too_many_or_too_few_is_a_difference(tmp_path: Path) -> None:
    contents = CONTENTS | {"core": b"dumped"}
    del contents["d.bin"]
    found = differences(tmp_path, good_result(contents), contents)
    assert found == ("outputs: 'core' is not expected", "outputs: d.bin is missing")


def test_an_output_that_is_not_what_the_result_says_is_a_difference(tmp_path: Path) -> None:
    [found] = differences(tmp_path, good_result(), CONTENTS | {"d.bin": b"abcd"})
    assert found == "d.bin: its content is not what the result says of its size and SHA-256"


def test_an_output_that_cannot_be_read_is_a_difference(tmp_path: Path) -> None:
    contents = {path: content for path, content in CONTENTS.items() if path != "d.bin"}
    [found] = differences(tmp_path, good_result(), contents)
    assert found.startswith("d.bin: it can't be read")
