"""Money: whole millionths of the unit that rewards are named in, so that sums are exact."""

from __future__ import annotations

#: Micro-units in a unit.
MICRO = 1_000_000


def micro(reward: float) -> int:
    """Return a reward in micro-units, rounded to the nearest."""
    return round(reward * MICRO)


def units(micro_units: int) -> float:
    """Return micro-units as the number that travels; up to 10**9 units it is exact."""
    return micro_units / MICRO
