"""Words of a job that are shown to its owner: they must not act where they are shown."""

from __future__ import annotations

import pytest

from node3nb.errors import JobSpecError
from node3nb.jobs import JobSpec

#: Escape in one character (ECMA-48), next line, line separator, direction marks.
ACTING = ["\x1b", "\x7f", "\x85", "\x9b", "\u061c", "\u200f", "\u2028", "\u202e", "\u2066"]


@pytest.mark.parametrize("character", ACTING, ids=ascii)
@pytest.mark.parametrize("field", ["job_type", "image", "input_url", "output_url"])
def test_characters_that_act_are_refused(field: str, character: str) -> None:
    with pytest.raises(JobSpecError) as caught:
        JobSpec(command=("true",), **{field: f"http://a/{character}31m"})  # type: ignore[arg-type]
    assert str(caught.value).startswith(field)
    assert str(caught.value).isprintable()


def test_letters_of_every_script_are_taken() -> None:
    assert JobSpec(command=("true",), job_type="расчёт 計算 ⚙️").job_type
