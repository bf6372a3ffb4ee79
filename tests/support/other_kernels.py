"""The versions of ipykernel that the magics are tested on, each in an environment of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import kernel_client, needs

#: Where `make kernels` puts them, unless the environment says otherwise.
PLACE = Path(os.environ.get("NODE3_KERNELS") or Path(__file__).parents[2] / ".kernels")
#: Made there by `make kernels`.
VERSIONS = ("6.31", "7.3", "latest")


@pytest.fixture(scope="module", params=VERSIONS)
def any_kernel(request: pytest.FixtureRequest) -> Iterator[kernel_client.Kernel]:
    """A kernel of each version with the magics; one for all tests of a module."""
    python = PLACE / request.param / "bin" / "python"
    if not python.exists():
        needs.miss(f"ipykernel {request.param} is not in {PLACE}; run: make kernels")
    with (
        tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True) as home,
        kernel_client.kernel(Path(home), str(python)) as kernel,
    ):
        kernel.run("%load_ext node3nb\nimport ipykernel")
        if request.param != "latest":
            assert kernel.value("ipykernel.__version__").startswith(request.param)
        yield kernel
