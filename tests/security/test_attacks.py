"""Every attack, in a real job, against real targets: neither weaker nor stronger than told."""

from __future__ import annotations

import sys

import pytest
from security.scenarios import SCENARIOS, House, Scenario
from security.table import ATTACKS, Attack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the levels are Linux's")

scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)


@scenarios
def test_level(house: House, scenario: Scenario) -> None:
    room = house.room(scenario)
    assert room.level == scenario.level
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
    elif not attack.needs or room.plain_outcome(attack.name) == "succeeded":
        assert found["outcome"] == "succeeded", told
    else:
        assert found["outcome"] != "error", told


def test_attacks_are_real(house: House) -> None:
    """What is never seen to succeed, not even where nothing stops it, proves nothing."""
    room = house.room(next(each for each in SCENARIOS if each.name == "root-limits"))
    harmless = [
        attack.name
        for attack in ATTACKS
        if attack.gaps
        and not attack.needs
        and "succeeded" not in {room.found[attack.name]["outcome"], room.plain_outcome(attack.name)}
    ]
    assert harmless == []
