"""`node3nb marketplace keys`: made, put into files, listed, rotated, revoked; nothing is lost."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.cli_parts import answered, given_here
from cli.conftest import Market

from node3nb.errors import MarketplaceUnauthorized
from node3nb.marketplace.client.admin_client import AdminClient
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.keys import name_of

Mistake = Callable[[list[str]], str]
Keys = Callable[..., str]
JOB = {"command": ["true"]}


def held(file: Path) -> dict[str, str]:
    return dict(json.loads(file.read_text()))


def works(market: Market, api_key: str) -> bool:
    try:
        return bool(MarketplaceClient(market.url, api_key).submit(JOB))
    except MarketplaceUnauthorized:
        return False


def words(market: Market, *said: object) -> list[str]:
    where = ("--marketplace", market.url, "--keys", market.keys_file)
    return ["marketplace", "keys", *map(str, (*said, *where))]


@pytest.fixture
def keys(market: Market, capsys: pytest.CaptureFixture[str]) -> Keys:
    """Give a command about keys that succeeds, and return what it prints, complaints last."""

    def give(*said: object) -> str:
        capsys.readouterr()
        assert given_here(words(market, *said)) == 0
        told = capsys.readouterr()
        return told.out + told.err

    return give


def test_a_key_goes_into_a_file_of_its_owner_alone(
    market: Market, keys: Keys, tmp_path: Path
) -> None:
    file = tmp_path / "physics.json"
    told = keys("create", "--label", "the physics lab", "--into", file)
    (api_key,) = held(file).values()
    assert told == f"The key {name_of(api_key)} is in {file}.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert works(market, held(file)["consumer"])


def test_a_file_has_one_key_of_each_kind_and_keeps_those_it_has(keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "several.json"
    kinds = ("consumer", "admin", "monitor", "invitation")
    for kind in kinds:
        keys("create", "--role", kind, "--into", file)
    assert set(held(file)) == set(kinds)
    assert all(key.startswith(f"n3_{kind}_") for kind, key in held(file).items())


def test_a_key_without_a_file_is_shown_once(market: Market, keys: Keys) -> None:
    api_key, told = keys("create").splitlines()
    assert works(market, api_key)
    assert told == f"This is the key {name_of(api_key)}; it is not shown again."
    assert api_key not in keys("list")


def test_an_answer_in_json_tells_a_key_only_where_it_is_nowhere_else(
    market: Market, tmp_path: Path
) -> None:
    shown = answered(*words(market, "create", "--json"))
    assert works(market, shown["api_key"])
    filed = answered(*words(market, "create", "--json", "--into", tmp_path / "k.json"))
    assert "api_key" not in filed
    assert filed["key_id"] == name_of(held(tmp_path / "k.json")["consumer"])


def test_a_list_says_whose_each_key_is_and_how_it_stands(keys: Keys, tmp_path: Path) -> None:
    made = ("--uses", 3, "--lives", "30d", "--label", "the \x1b[31mlab")
    keys("create", "--role", "invitation", *made, "--into", tmp_path / "k.json")
    gone = name_of(keys("create").split()[0])
    keys("revoke", gone)
    head, *lines = keys("list").splitlines()
    assert head.split() == ["NAME", "KIND", "OWNER", "STATE", "LABEL"]
    (invitation,) = [line for line in lines if " invitation " in line]
    assert " UTC, 3 left  " in invitation
    assert "lab" in invitation
    assert "\x1b" not in invitation
    (revoked,) = [line for line in lines if line.startswith(gone)]
    assert revoked.endswith("revoked")
    assert {line.split()[1] for line in lines} == {"admin", "consumer", "invitation"}


def test_a_list_of_one_kind(market: Market) -> None:
    (only,) = answered(*words(market, "list", "--role", "admin", "--json"))["keys"]
    assert only["role"] == "admin"


def test_a_rotated_key_takes_the_place_of_the_old_one(
    market: Market, keys: Keys, tmp_path: Path
) -> None:
    file = tmp_path / "physics.json"
    keys("create", "--into", file)
    old = held(file)["consumer"]
    keys("rotate", name_of(old), "--into", file)
    assert held(file)["consumer"] != old
    assert works(market, held(file)["consumer"])
    assert not works(market, old)


def test_a_revoked_key_is_refused_at_once(market: Market, keys: Keys, tmp_path: Path) -> None:
    keys("create", "--into", tmp_path / "k.json")
    api_key = held(tmp_path / "k.json")["consumer"]
    assert works(market, api_key)
    assert keys("revoke", name_of(api_key)) == f"The key {name_of(api_key)} is revoked.\n"
    assert not works(market, api_key)
    revoked = answered(*words(market, "revoke", name_of(api_key), "--json"))
    assert revoked["revoked_at"]


def test_a_key_is_not_put_in_the_place_of_another(
    market: Market, keys: Keys, mistake: Mistake, tmp_path: Path
) -> None:
    file = tmp_path / "k.json"
    keys("create", "--into", file)
    before = held(file)
    told = mistake(words(market, "create", "--into", file))
    assert f"keys rotate {name_of(before['consumer'])} --into {file}" in told
    assert held(file) == before
    other, told = keys("rotate", name_of(keys("create").split()[0]), "--into", file).splitlines()
    assert f"is not put in the place of another, {name_of(before['consumer'])}" in told
    assert works(market, other)
    assert held(file) == before


@pytest.mark.parametrize("command", ["create", "rotate"])
def test_no_key_is_made_or_revoked_for_a_file_that_cannot_be(
    market: Market, mistake: Mistake, tmp_path: Path, command: str
) -> None:
    admin = AdminClient(market.url, held(market.keys_file)["admin"])
    name = () if command == "create" else (name_of(held(market.keys_file)["consumer"]),)
    before = list(admin.keys())
    broken, public = tmp_path / "broken.json", tmp_path / "public.json"
    for file, mode in ((broken, 0o600), (public, 0o644)):
        file.write_text("{")
        file.chmod(mode)
    said = (command, *name, "--into")
    assert "can't be written" in mistake(words(market, *said, tmp_path / "no" / "k.json"))
    assert "can't be read" in mistake(words(market, *said, broken))
    assert f"chmod 600 {public}" in mistake(words(market, *said, public))
    assert list(admin.keys()) == before


def test_a_key_that_its_file_does_not_take_is_shown(
    market: Market, keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "k.json"
    keys("create", "--into", file)
    old = held(file)["consumer"]

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    api_key, told = keys("rotate", name_of(old), "--into", file).splitlines()
    assert f"can't be written to {file}" in told
    assert works(market, api_key)
    assert held(file) == {"consumer": old}


def test_an_administrators_key_is_asked_for(
    market: Market, mistake: Mistake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listing = ["marketplace", "keys", "list", "--marketplace", market.url]
    assert "set NODE3_ADMIN_KEY" in mistake(listing)
    file = tmp_path / "k.json"
    file.write_text(json.dumps({"consumer": held(market.keys_file)["consumer"]}))
    file.chmod(0o600)
    assert f"{file} has none" in mistake([*listing, "--keys", str(file)])
    monkeypatch.setenv("NODE3_ADMIN_KEY", held(market.keys_file)["consumer"])
    assert "does not accept the API key for this" in mistake(listing)
    monkeypatch.setenv("NODE3_ADMIN_KEY", held(market.keys_file)["admin"])
    assert given_here(listing) == 0


def test_the_last_administrators_key_stays(market: Market, mistake: Mistake) -> None:
    told = mistake(words(market, "revoke", name_of(held(market.keys_file)["admin"])))
    assert "make another one first." in told
    assert not told.endswith("..")


@pytest.mark.parametrize(
    ("said", "tells"),
    [
        (["create", "--role", "agent"], "choose from 'consumer'"),
        (["list", "--role", "emperor"], "choose from 'admin'"),
        (["create", "--lives", "soon"], "'soon' is no duration"),
        (["create", "--role", "consumer", "--uses", "3"], "only an invitation"),
        (["create", "--role", "invitation", "--uses", "0"], "uses"),
        (["create", "--uses", "many"], "--uses"),
        (["create", "--owner", "nobody"], "owner"),
        (["revoke", "the physics lab"], "`list` shows their names"),
        (["rotate", "0123456789abcdef"], "there is no such key"),
        ([], "required"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    market: Market, mistake: Mistake, said: list[str], tells: str
) -> None:
    assert tells in mistake(words(market, *said) if said else ["marketplace", "keys"])


def test_a_key_in_the_place_of_a_name_is_not_repeated(market: Market, mistake: Mistake) -> None:
    api_key = held(market.keys_file)["consumer"]
    assert api_key not in mistake(words(market, "revoke", api_key))


@pytest.mark.parametrize(
    ("said", "tells"),
    [
        (["--calls-per-s", "many"], "many is no number above 0"),
        (["--calls-per-s", "0"], "0 is no number above 0"),
        (["--keyless-calls-per-s", "nan"], "nan is no number above 0"),
        (["--keyless-calls-per-s", "inf"], "inf is no number above 0"),
        (["--calls-at-once", "-1"], "give 1 or more"),
        (["--agents-per-address", "1.5"], "give 1 or more"),
        (["--grace", "soon"], "soon is no number"),
        (["--registration", "some"], "choose from 'open'"),
        (["--log", "xml"], "choose from 'text'"),
    ],
)
def test_a_bound_that_is_none_is_told_in_a_line(
    mistake: Mistake, said: list[str], tells: str
) -> None:
    assert tells in mistake(["marketplace", *said])
