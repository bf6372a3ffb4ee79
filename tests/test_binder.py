"""Binder's pins are what the package needs, and its link leads to something."""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = [
    Requirement(each)
    for each in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["marketplace"]
]


@pytest.fixture(scope="module")
def pins() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pins", ROOT / "binder" / "pins.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def versions(pins: ModuleType) -> dict[str, str]:
    found = {}
    for each in map(Requirement, pins.requirements()):
        (exactly,) = each.specifier
        assert exactly.operator == "=="
        found[each.name] = exactly.version
    return found


@pytest.mark.parametrize("needed", NEEDED, ids=lambda needed: needed.name)
def test_what_the_package_needs_is_pinned(pins: ModuleType, needed: Requirement) -> None:
    assert needed.specifier.contains(versions(pins)[needed.name])


def test_extras_are_pinned_with_their_packages(pins: ModuleType) -> None:
    pinned = {each.name: each.extras for each in map(Requirement, pins.requirements())}
    assert all(each.extras <= pinned[each.name] for each in NEEDED)


def test_python_is_one_we_support(pins: ModuleType) -> None:
    assert SpecifierSet(PROJECT["requires-python"]).contains(Version(pins.python()))


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_executed(name: str) -> None:
    assert os.access(ROOT / "binder" / name, os.X_OK)


def test_the_badge_leads_to_the_quickstart_in_lab() -> None:
    (link,) = re.findall(r"https://mybinder\.org/v2/\S+", (ROOT / "README.md").read_text())
    path = link.partition("?urlpath=lab/tree/")[2]
    assert path == "notebooks/00_quickstart.ipynb"
    assert (ROOT / path).is_file()
