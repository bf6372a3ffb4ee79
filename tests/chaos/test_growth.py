"""The soak finds what grows by little, and takes nothing for growth that comes and goes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from chaos.growth import Row, growth

#: Jobs of a soak, and between two of its rows.
JOBS, STEP = 10_000, 500
Figure = Callable[[int, random.Random], float]


def grown(name: str, figure: Figure) -> list[str]:
    """Return what is told of a soak in which one figure is as a function of the jobs."""
    dice = random.Random(1)
    numbers = range(STEP, JOBS + 1, STEP)
    return growth([Row(jobs, jobs / 10, {name: figure(jobs, dice)}) for jobs in numbers])


@pytest.mark.parametrize("kind", ["kernel", "guard", "supervisor", "warm", "keeper", "market"])
@pytest.mark.parametrize(
    ("what", "leak", "noise"),
    [("kib", 1.0, 1500.0), ("fds", 0.01, 12.0), ("threads", 0.01, 3.0), ("number", 0.01, 3.0)],
)
def test_a_leak_is_found_among_what_comes_and_goes(
    kind: str, what: str, leak: float, noise: float
) -> None:
    name = f"{kind}.{what}"
    (told,) = grown(name, lambda jobs, dice: 60_000 + leak * jobs + dice.uniform(0, noise))
    assert told.startswith(f"{name}: +")


def test_an_object_for_each_job_is_found() -> None:
    assert grown("kernel.blocks", lambda jobs, dice: 350_000 + jobs + dice.uniform(0, 1000))


def test_a_file_for_each_hundredth_job_is_found() -> None:
    assert grown("files", lambda jobs, dice: jobs // 100 + dice.uniform(0, 20))


@pytest.mark.parametrize(
    "figure",
    [
        pytest.param(lambda _, dice: 60_000 + dice.uniform(0, 3000), id="noise"),
        pytest.param(lambda jobs, _: 60_000 + min(jobs, JOBS // 2), id="caches that fill up"),
        pytest.param(lambda jobs, _: 60_000 + 4000 * (jobs > 9000), id="one step late"),
        pytest.param(lambda jobs, _: 60_000 + jobs % 1300, id="a saw"),
    ],
)
def test_what_has_a_bound_is_no_growth(figure: Figure) -> None:
    assert grown("kernel.kib", figure) == []
