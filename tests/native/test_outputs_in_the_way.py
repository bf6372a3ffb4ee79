"""A job that puts something where the archive of its outputs would go, if it reaches it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from node3nb.execution import perform
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import Isolation, JobSpec
from node3nb.native_executor import NativeExecutor

SCRIPT = """
import os
for name in ("outputs.tar.gz", "outputs.tar.gz.part"):
    os.makedirs(f"../{name}/in-the-way")
open("../output/kept", "w").write("kept")
"""


@pytest.fixture
def native() -> Iterator[NativeExecutor]:
    executor = NativeExecutor(Isolation.LIMITS)
    yield executor
    executor.close()


def test_it_does_not_make_its_failure_ours(native: NativeExecutor, tmp_path: Path) -> None:
    spec = JobSpec(
        command=("python", "x.py"), files={"x.py": SCRIPT}, output_url="http://127.0.0.1:9/o"
    )
    with workspace.temporary(tmp_path, spec.job_id) as place:
        performed = perform(spec, native, place, lambda *_: None, SilentReporter())
        assert performed.result.ok
        assert performed.archive is not None
        with tarfile.open(performed.archive) as archive:
            assert archive.getnames() == ["output/kept"]
    assert list(tmp_path.iterdir()) == []
