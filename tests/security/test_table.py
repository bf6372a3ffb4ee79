"""The table agrees with what owners are told, and with the attacks there are."""

from __future__ import annotations

import ast
import itertools

import pytest
from security import greed, page
from security.entries import Setting
from security.table import ATTACKS, CGROUP, LANDLOCK, LIMITS, NAMESPACES, OWN_USER, SECCOMP

from node3nb import attack_classes


def test_page_is_up_to_date() -> None:
    text = page.PAGE.read_text()
    assert text == page.current(text), "run `python -m security.page` in tests/"


def test_every_attack_is_in_the_table() -> None:
    written = {
        (node.name, path.name)
        for path in page.PROGRAMS.glob("attacks_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and _is_attack(node, path.name)
    }
    derived = {(name, greed.PROGRAM) for name in greed.DERIVED}
    assert {(each.name, each.program) for each in ATTACKS} == written | derived


def _is_attack(node: ast.FunctionDef, program: str) -> bool:
    if program != greed.PROGRAM:
        return any(isinstance(each, ast.Name) for each in node.decorator_list)
    return not node.args.args and node.name != "reach"


def test_names_are_used_once() -> None:
    names = [each.name for each in ATTACKS]
    assert len(names) == len(set(names))


def test_every_class_is_tried() -> None:
    assert {each.kind for each in ATTACKS} == set(attack_classes.ALL)


@pytest.mark.parametrize(
    ("level", "root", "cgroup", "seccomp", "own_user"),
    [
        each
        for each in itertools.product((NAMESPACES, LANDLOCK, LIMITS), *[(False, True)] * 4)
        if each[3] or each[0] == LIMITS
    ],
)
def test_what_owners_are_told(
    level: str, *, root: bool, cgroup: bool, seccomp: bool, own_user: bool
) -> None:
    on = {CGROUP: cgroup, SECCOMP: seccomp, OWN_USER: own_user}
    setting = Setting(level, root, frozenset(name for name in on if on[name]))
    told = attack_classes.not_stopped(
        level, root=root, cgroup=cgroup, seccomp=seccomp, own_user=own_user
    )
    seen = {attack.kind for attack in ATTACKS if attack.gap(setting)}
    assert told == tuple(kind for kind in attack_classes.ALL if kind in seen)
