"""`node3nb demo` and `node3nb doctor`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.cli_parts import answered, complaint, node3nb

from node3nb import config
from node3nb.agent.journal import now_iso
from node3nb.agent.ledger import Ledger
from node3nb.jobs import ExitReason, JobResult, JobState

HELLO: dict[str, Any] = {
    "description": "Prints.",
    "job": {"command": ["python", "-c", "print('hello')"], "timeout": 60},
    "expect": {"state": "completed", "reason": "exited", "exit_code": 0, "stdout": "hello\n"},
}


def sample(directory: Path, name: str, **changed: Any) -> None:
    (directory / name).mkdir(parents=True)
    (directory / name / "job.json").write_text(json.dumps({**HELLO, **changed}))


def test_right_jobs_and_wrong_ones(tmp_path: Path) -> None:
    sample(tmp_path, "01_right")
    wrong = {**HELLO["expect"], "stdout": "something else\n"}
    sample(tmp_path, "02_wrong", expect=wrong)
    ended = node3nb("demo", "--json", tmp_path)
    assert ended.returncode == 1, ended.stderr
    right, other = json.loads(ended.stdout)["jobs"]
    assert (right["name"], right["right"], right["differences"]) == ("01_right", True, [])
    assert right["result"]["stdout"] == "hello\n"
    assert (other["name"], other["right"]) == ("02_wrong", False)
    assert other["differences"]
    assert "1 of 2 as expected." in ended.stderr


def test_what_lacks_its_needs_is_not_tried_and_says_what_to_do(tmp_path: Path) -> None:
    sample(tmp_path, "01_needy", needs=["no-such-distribution", "nor-this"])
    sample(tmp_path, "02_right")
    ended = node3nb("demo", tmp_path)
    assert ended.returncode == 3
    assert "WRONG" not in ended.stdout
    assert (
        "not tried: no-such-distribution, nor-this are not installed; "
        "run: pip install no-such-distribution nor-this\n"
    ) in ended.stdout
    assert "1 of 2 as expected, 1 not tried.\n" in ended.stdout
    assert "3 when none is but some jobs were not tried" in " ".join(
        node3nb("demo", "--help").stdout.split()
    )


def test_a_sample_that_is_none_is_told_in_a_line(tmp_path: Path) -> None:
    sample(tmp_path, "01_odd", colour="red")
    assert "01_odd/job.json: colour" in complaint(node3nb("demo", tmp_path))


def test_the_doctor_tells_what_is_there_and_what_is_missing() -> None:
    told = answered("doctor", "--json")
    assert set(told) == {
        "version",
        "python",
        "system",
        "cores",
        "memory_bytes",
        "gpus",
        "state_dir",
        "state_free_bytes",
        "work_dir",
        "work_free_bytes",
        "earned",
        "ledger_trouble",
        "agent",
        "outbox_dir",
        "undelivered",
        "executor",
        "why",
        "isolation",
        "memory_enforced_by",
        "layers",
        "missing",
        "landlock",
        "not_stopped",
        "executors",
        "engine",
    }
    assert told["executor"] == "native"
    assert told["cores"] >= 1
    assert told["memory_enforced_by"] in {"cgroup", "monitor"}
    assert all(isinstance(reason, str) and reason for reason in told["missing"].values())
    text = node3nb("doctor").stdout
    assert f"isolation  {told['isolation']}\n" in text
    assert ("not measured: what a container does not stop" in text) == bool(told["engine"])
    for layer in (*told["layers"], *told["missing"]):
        assert layer in text


def test_the_doctor_tells_what_was_earned_when_no_provider_runs() -> None:
    done = JobResult("job", JobState.COMPLETED, ExitReason.EXITED, exit_code=0)
    for letter, ended_at in (("a", now_iso()), ("b", "2020-02-29T12:00:00.000+00:00")):
        Ledger(config.ledger_file()).enter(letter, "http://there", ended_at, done, 0.75)
    told = answered("doctor", "--json")
    assert told["earned"] == {
        "http://there": {
            "today": {"completed": 1, "failed": 0, "earned": 0.75},
            "ever": {"completed": 2, "failed": 0, "earned": 1.5},
        }
    }
    line = "earned     1.5 at http://there: 2 jobs completed, 0 not; today 0.75: 1, 0 not\n"
    assert line in node3nb("doctor").stdout


def test_a_ledger_that_cannot_be_read_keeps_the_doctor_from_nothing() -> None:
    config.ledger_file().mkdir()
    told = node3nb("doctor").stdout
    assert "earned     The ledger " in told
    assert "isolation  " in told
