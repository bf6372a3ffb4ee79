"""What a job may say: whatever comes, a job is read or refused in a sentence naming the field."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node3nb.errors import JobSpecError
from node3nb.jobs import (
    ExitReason,
    Isolation,
    JobResult,
    JobSpec,
    JobState,
    Network,
    Requirements,
    ResourceLimits,
    failure,
)
from node3nb.marketplace.wire.protocol import read_job

LEAST: dict[str, Any] = {"job_id": "a", "command": ["true"]}
NAN, INFINITY = float("nan"), float("inf")

#: What a job says on the wire, and the field that the refusal names.
REFUSED = {
    "no id": ({"job_id": None}, "job_id"),
    "empty id": ({"job_id": ""}, "job_id"),
    "id with a slash": ({"job_id": "a/b"}, "job_id"),
    "id of dots": ({"job_id": ".."}, "job_id"),
    "long id": ({"job_id": "x" * 129}, "job_id"),
    "number as id": ({"job_id": 17}, "job_id"),
    "no command": ({"command": None}, "command"),
    "empty command": ({"command": []}, "command"),
    "empty program": ({"command": [""]}, "command"),
    "text as command": ({"command": "true"}, "command"),
    "number in command": ({"command": ["true", 1]}, "command"),
    "NUL in command": ({"command": ["tr\0ue"]}, "command"),
    "surrogate in command": ({"command": ["\udcff"]}, "command"),
    "10 MB of command": ({"command": ["true", "x" * 10_000_000]}, "command"),
    "a million arguments": ({"command": ["x"] * 1_000_000}, "command"),
    "number in environment": ({"environment": {"A": 1}}, "environment"),
    "list as environment": ({"environment": ["A=1"]}, "environment"),
    "name with =": ({"environment": {"A=B": "1"}}, "environment"),
    "empty name": ({"environment": {"": "1"}}, "environment"),
    "NUL in environment": ({"environment": {"A": "\0"}}, "environment"),
    "newline in environment": ({"environment": {"A": "b\nc"}}, "environment"),
    "surrogate in environment": ({"environment": {"A": "\ud800"}}, "environment"),
    "huge environment": ({"environment": {"A": "x" * 70_000}}, "environment"),
    "zero timeout": ({"timeout": 0}, "timeout"),
    "negative timeout": ({"timeout": -1}, "timeout"),
    "endless timeout": ({"timeout": INFINITY}, "timeout"),
    "no number as timeout": ({"timeout": NAN}, "timeout"),
    "a year as timeout": ({"timeout": 31_536_000}, "timeout"),
    "word as timeout": ({"timeout": "soon"}, "timeout"),
    "negative reward": ({"reward": -0.5}, "reward"),
    "huge reward": ({"reward": 1e300}, "reward"),
    "negative duration": ({"estimated_duration": -1}, "estimated_duration"),
    "negative GPU memory": ({"gpu_memory_required": -1}, "gpu_memory_required"),
    "huge GPU memory": ({"gpu_memory_required": 1 << 60}, "gpu_memory_required"),
    "number as image": ({"docker_image": 5}, "docker_image"),
    "long image": ({"docker_image": "x" * 1000}, "image"),
    "newline in type": ({"job_type": "a\nb"}, "job_type"),
    "newline in URL": ({"input_data_url": "http://a/\nb"}, "input_url"),
    "long URL": ({"output_upload_url": "http://a/" + "b" * 10_000}, "output_url"),
    "short checksum": ({"input_sha256": "abc"}, "input_sha256"),
    "path as file": ({"files": {"../x": ""}}, "files"),
    "hidden file": ({"files": {".bashrc": ""}}, "files"),
    "many files": ({"files": {f"f{number}": "" for number in range(100)}}, "files"),
    "huge file": ({"files": {"f": "x" * (2 << 20)}}, "files"),
    "number as file": ({"files": {"f": 1}}, "files"),
    "text as requirements": ({"requirements": "many"}, "requirements"),
    "no cores": ({"requirements": {"cpus": 0}}, "requirements.cpus"),
    "a million cores": ({"requirements": {"cpus": 1_000_000}}, "requirements.cpus"),
    "no memory": ({"requirements": {"memory_bytes": 0}}, "requirements.memory_bytes"),
    "huge memory": ({"requirements": {"memory_bytes": 1 << 60}}, "requirements.memory_bytes"),
    "no disk": ({"requirements": {"disk_bytes": -5}}, "requirements.disk_bytes"),
    "half a GPU": ({"requirements": {"gpus": 0.5}}, "requirements.gpus"),
    "unknown level": ({"requirements": {"isolation": "vault"}}, "requirements.isolation"),
    "unknown network": ({"requirements": {"network": "wifi"}}, "requirements.network"),
}


def sentence(error: JobSpecError) -> str:
    """Return the text of a refusal, which is short, inert and one line."""
    text = str(error)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 400
    return text


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_field_is_refused_by_its_name(kind: str) -> None:
    fields, name = REFUSED[kind]
    with pytest.raises(JobSpecError) as caught:
        read_job({**LEAST, **fields})
    assert sentence(caught.value).startswith((f"{name}:", f"{name}."))


@pytest.mark.parametrize("wire", [None, 1, "job", [], [LEAST], True, {}, {"job_id": "a"}])
def test_what_is_no_job_is_refused(wire: object) -> None:
    with pytest.raises(JobSpecError) as caught:
        read_job(wire)
    sentence(caught.value)


def test_the_least_of_a_job_takes_defaults() -> None:
    spec = read_job(LEAST)
    assert spec == JobSpec(job_id="a", command=("true",))
    assert spec.limits == ResourceLimits()
    assert spec.limits.timeout_s == 3600
    assert spec.requirements == Requirements()


def test_a_job_may_ask_for_a_fresh_interpreter() -> None:
    assert read_job(LEAST).start == "auto"
    assert read_job({**LEAST, "requirements": {"start": "exec"}}).start == "exec"


def test_a_job_as_the_protocol_writes_it() -> None:
    wire = {
        "job_id": "job-1",
        "job_type": "inference",
        "docker_image": "python:3.11-slim",
        "command": ["python", "/input/run.py"],
        "environment": {"REQUIRE_CONTAINER": "True", "A": "ü=1"},
        "gpu_memory_required": 8 << 30,
        "estimated_duration": 60,
        "reward": 1.5,
        "timeout": 120,
        "input_data_url": "https://a.example/in.tar.gz",
        "output_upload_url": "",
        "requirements": {"cpus": 2, "memory_bytes": 1 << 30, "isolation": "landlock", "more": 1},
        "priority": 3,
        "unknown": {"deep": [None]},
    }
    spec = read_job(wire)
    assert spec.requirements.container
    assert spec.requirements.isolation is Isolation.LANDLOCK
    assert spec.requirements.network is Network.NONE
    assert (spec.limits.cpus, spec.limits.memory_bytes, spec.limits.timeout_s) == (2, 1 << 30, 120)
    assert spec.environment["A"] == "ü=1"
    assert read_job(json.loads(json.dumps(wire))) == spec


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=10), inside, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    [
        "job_id",
        "command",
        "job_type",
        "docker_image",
        "environment",
        "gpu_memory_required",
        "estimated_duration",
        "reward",
        "timeout",
        "input_data_url",
        "output_upload_url",
        "input_sha256",
        "requirements",
        "files",
        "priority",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(FIELDS, JSON, max_size=6))
def test_whatever_a_job_says_it_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        spec = read_job({**LEAST, **fields})
    except JobSpecError as error:
        sentence(error)
    else:
        assert pickle.loads(pickle.dumps(spec)) == spec


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_whatever_comes_in_the_place_of_a_job_is_refused(wire: object) -> None:
    with pytest.raises(JobSpecError) as caught:
        read_job(wire)
    sentence(caught.value)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(max_size=30), max_size=5),
    st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=4),
)
def test_what_is_taken_can_be_given_to_a_system(
    command: list[str], environment: dict[str, str]
) -> None:
    try:
        spec = JobSpec(command=tuple(command), environment=environment)
    except JobSpecError as error:
        sentence(error)
        return
    for part in spec.command:
        assert b"\0" not in part.encode()
    for name, value in spec.environment.items():
        assert name.isascii()
        assert "=" not in name
        assert not set("\0\n\r") & set(value)


@pytest.mark.parametrize(
    "fields",
    [
        {"cpus": 0},
        {"memory_bytes": -1},
        {"memory_bytes": "2G"},
        {"disk_files": 0},
        {"timeout_s": NAN},
        {"processes": True},
        {"log_bytes": 1},
        {"grace_s": 1e9},
    ],
)
def test_limits_that_cannot_be_kept_are_refused_by_name(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(JobSpecError) as caught:
        ResourceLimits(**fields)
    assert sentence(caught.value).startswith(name.removesuffix("_s") + ":") or (
        sentence(caught.value).startswith(f"{name}:")
    )


def test_a_list_is_no_command_of_a_spec() -> None:
    with pytest.raises(JobSpecError, match="command"):
        JobSpec(command=["true"])  # type: ignore[arg-type]


def test_every_spec_gets_its_own_id() -> None:
    assert JobSpec(command=("true",)).job_id != JobSpec(command=("true",)).job_id


def test_whose_fault_an_end_is() -> None:
    own = {reason for reason in ExitReason if reason.jobs_own}
    words = {"exited", "signaled", "timed_out", "out_of_memory", "disk_limit", "output_limit"}
    assert own == {ExitReason(word) for word in words}


def test_a_failure_is_a_failed_result() -> None:
    result = failure("a", ExitReason.INPUT_ERROR, "no input")
    assert (result.state, result.ok) == (JobState.FAILED, False)
    assert failure("a", ExitReason.CANCELLED, "").state is JobState.CANCELLED
    assert json.loads(json.dumps(result.to_dict()))["reason"] == "input_error"
    assert JobResult("a", JobState.COMPLETED, ExitReason.EXITED).ok


def test_levels_have_an_order() -> None:
    assert [level.strength for level in Isolation] == [0, 1, 2, 3]
    assert Isolation.CONTAINER.strength > Isolation.NAMESPACES.strength
