"""Every attack, in a real job, against real targets: neither weaker nor stronger than told."""

from __future__ import annotations

import sys

import pytest
from security.entries import Attack
from security.scenarios import SCENARIOS, House, Scenario
from security.table import ATTACKS, GREEDY_PROGRAM, LIMITS

from node3nb.attack_classes import TRAPS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the levels are Linux's")

scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)


@scenarios
def test_level(house: House, scenario: Scenario) -> None:
    room = house.room(scenario)
    assert room.level == scenario.level, room.missing
    assert room.setting.root == scenario.root


@scenarios
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.name)
def test_attack(house: House, scenario: Scenario, attack: Attack) -> None:
    room = house.room(scenario)
    found = room.found[attack.name]
    gap = attack.gap(room.setting)
    told = f"{found['detail']}; {sorted(room.setting.layers)}"
    if gap is None:
        assert found["outcome"] == "stopped", told
    elif gap.race:
        assert found["outcome"] != "error", told
    elif not attack.needs or room.plain_outcome(attack.name) == "succeeded":
        assert found["outcome"] == "succeeded", told
    else:
        assert found["outcome"] != "error", told


def test_what_is_never_let_through_is_real(house: House) -> None:
    """An attack that fails at every level has to work in a plain process, or proves nothing."""
    rooms = [house.room(each) for each in SCENARIOS if each.level == LIMITS]
    harmless = [
        attack.name
        for attack in ATTACKS
        if not (attack.gaps or attack.needs or attack.kind is TRAPS)
        if attack.program != GREEDY_PROGRAM
        if not any(room.plain_outcome(attack.name) == "succeeded" for room in rooms)
    ]
    assert harmless == []
