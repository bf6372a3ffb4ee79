"""What a provider remembers of its jobs: exact names, and little of what has ended."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from node3nb import NativeExecutor
from node3nb.agent import job_book, remembered
from node3nb.agent.job_book import KEPT, JobBook
from node3nb.agent.records import JobRecord, Lease
from node3nb.jobs import ExitReason, JobResult, JobSpec, JobState, OutputFile

MIB = 1 << 20
#: Four bytes a character in memory, for one that is outside the plane of the others.
WIDE = "\U0001f600" + "a" * (MIB - 4)


def record(job_id: str, **asked: object) -> JobRecord:
    spec = JobSpec(**{"command": ("true",), "job_id": job_id} | asked)
    return JobRecord(spec, Lease(job_id), NativeExecutor(), "", "2026-01-01T00:00:00+00:00")


def done(job_id: str, **known: object) -> JobResult:
    return JobResult(job_id, JobState.COMPLETED, ExitReason.EXITED, exit_code=0, **known)


def end(book: JobBook, job: JobRecord, result: JobResult) -> None:
    book.open(job)
    book.close(job, result)
    book.settle(job.spec.job_id, result)


@pytest.mark.parametrize("asked", ["", "o", "only-jo", "only-job-", "*"])
def test_a_job_is_found_by_its_whole_name_only(asked: str) -> None:
    book = JobBook()
    book.open(record("only-job"))
    assert book.find("only-job") is not None
    assert book.find(asked) is None
    assert book.logs(asked) is None


def test_ended_jobs_take_little_memory_whatever_they_have_printed() -> None:
    book, big = JobBook(), {"a.txt": WIDE}
    tracemalloc.start()
    for number in range(8):
        job = record(f"job{number}", files=big, command=("true", "x" * 100_000))
        end(book, job, done(f"job{number}", stdout=f"{number}{WIDE}", stderr=f"{number}{WIDE}"))
        del job
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(book.summaries()) == 8
    assert kept < 8 * MIB


def test_the_end_of_a_long_log_is_kept_with_a_note() -> None:
    book, log = JobBook(), "".join(f"line {number}\n" for number in range(100_000))
    end(book, record("long"), done("long", stdout=log, stderr="short"))
    out, err = book.logs("long") or ("", "")
    left_out = len(log) - remembered.LOG_BYTES
    assert out == f"[... {left_out} bytes left out ...]\n{log[left_out:]}"
    assert err == "short"
    result = book.find("long").result
    assert (result.stdout_truncated, result.stderr_truncated) == (True, False)


def test_a_short_result_is_kept_as_it_is() -> None:
    book, result = JobBook(), done("job", stdout="a\n", outputs=(OutputFile("a", 1, "0" * 64),))
    end(book, record("job"), result)
    assert book.find("job").result == result
    assert book.summaries()[0].outputs == 1


def test_outputs_that_are_not_listed_are_counted() -> None:
    outputs = tuple(OutputFile(f"{number:0200}", 1, "0" * 64) for number in range(2000))
    book = JobBook()
    end(book, record("job"), done("job", outputs=outputs))
    assert len(book.find("job").result.outputs) < 500
    assert book.summaries()[0].outputs == 2000


def test_the_oldest_are_forgotten_for_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_book, "KEPT_BYTES", 100 * 1024)
    book = JobBook()
    for number in range(40):
        end(book, record(f"job{number}"), done(f"job{number}", stdout="x" * 16_000))
    kept = [job.job_id for job in book.summaries()]
    assert kept == [f"job{number}" for number in range(39, 39 - len(kept), -1)]
    assert 3 <= len(kept) * 16_000 // sys.getsizeof("x" * 16_000) <= 6
    assert book.totals()[0] == 40


def test_a_job_waits_until_it_is_settled_or_forgotten() -> None:
    book = JobBook()
    names = [f"job-{number}" for number in range(KEPT + 2)]
    for name in names:
        job = record(name)
        book.open(job)
        assert not book.waits(name)
        book.close(job, done(name))
        assert book.waits(name)
    book.settle(names[-1], done(names[-1]))
    waiting = [name for name in names if book.waits(name)]
    assert waiting == names[2:-1]
    assert book.totals()[0] == 1
