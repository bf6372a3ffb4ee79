"""Settings from outside: directories, URLs, and keys that only their owner reads."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from node3nb import config
from node3nb.agent.quota import LiveQuota
from node3nb.agent.settings import Settings
from node3nb.errors import ConfigError
from node3nb.hardware import Machine
from node3nb.jobs import GIB

HERE = "http://127.0.0.1:8000"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_stands_below_one_private_directory(node3_home: Path) -> None:
    assert config.state_dir() == node3_home
    for directory in (config.work_dir(), config.outbox_dir(), config.control_dir()):
        assert directory.parent == node3_home
        assert mode(directory) == 0o700


@pytest.mark.parametrize("bits", [0o777, 0o775, 0o770, 0o757])
@pytest.mark.parametrize("inside", ["", "work", "outbox", "control", "containers"])
def test_a_directory_that_others_may_write_to_is_refused(
    node3_home: Path, inside: str, bits: int
) -> None:
    directory = node3_home / inside
    directory.mkdir(exist_ok=True)
    directory.chmod(bits)
    with pytest.raises(ConfigError, match=f"run: chmod go-w {directory}$"):
        _use_all()
    directory.chmod(0o755)
    _use_all()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users to tell apart")
def test_a_directory_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    with pytest.raises(ConfigError, match="is another user's; set NODE3_HOME to your own"):
        config.state_dir()


def _use_all() -> None:
    for use in (config.work_dir, config.outbox_dir, config.control_dir, config.pulled_images_file):
        use()


def test_a_home_given_by_a_relative_path_stays_where_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NODE3_HOME", "home")
    assert config.state_dir() == tmp_path / "home"


def test_a_home_that_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE3_HOME", "/dev/null/home")
    with pytest.raises(ConfigError, match="set NODE3_HOME to another"):
        config.state_dir()


def test_a_socket_whose_path_is_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NODE3_HOME", str(tmp_path / ("x" * 100)))
    with pytest.raises(ConfigError, match="set NODE3_HOME to a shorter one"):
        config.control_socket()


def test_which_marketplace_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.marketplace_url(None) == config.DEFAULT_MARKETPLACE
    monkeypatch.setenv("NODE3_MARKETPLACE", "https://other.example")
    assert config.marketplace_url(None) == "https://other.example"
    assert config.marketplace_url(HERE) == HERE


def test_a_named_file_comes_first_then_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config.keep_keys(HERE, {"agent": "kept"})
    named = tmp_path / "keys.json"
    named.write_text('{"agent": "named"}')
    named.chmod(0o600)
    assert config.key("agent", HERE) == "kept"
    assert config.key("agent", HERE, named) == "named"
    monkeypatch.setenv("NODE3_API_KEY", " from-outside\n")
    assert config.key("agent", HERE, named) == "named"
    assert config.key("agent", HERE) == "from-outside"
    named.write_text("{}")
    assert config.key("agent", HERE, named) == "from-outside"


def test_a_key_is_for_one_marketplace() -> None:
    config.keep_keys(HERE, {"agent": "mine", "agent_id": "me"})
    config.keep_keys("https://other.example/", {"agent": "other"})
    assert config.key("agent", f"{HERE}/") == "mine"
    assert config.key("agent_id", HERE) == "me"
    assert config.key("agent", "https://OTHER.example") == "other"
    assert config.key("agent", "http://127.0.0.1:8001") == ""
    assert config.key("consumer", HERE) == ""


def test_kept_keys_are_for_their_owner_alone(node3_home: Path) -> None:
    old = os.umask(0)
    try:
        config.keep_keys(HERE, {"agent": "secret"})
    finally:
        os.umask(old)
    assert mode(node3_home / "keys.json") == 0o600
    assert [path.name for path in node3_home.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o604, 0o622])
def test_keys_that_others_may_touch_are_refused(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"agent": "secret"}')
    path.chmod(bits)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}") as caught:
        config.key("agent", HERE, path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_keys_that_cannot_be_read_are_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="remove or mend the file"):
        config.key("agent", HERE, path)


@pytest.mark.parametrize("content", ["[]", "null", '"key"', "{}", '{"http://127.0.0.1:8000": 7}'])
def test_a_file_without_keys_holds_none(node3_home: Path, content: str) -> None:
    path = node3_home / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    assert config.key("agent", HERE) == ""
    config.keep_keys(HERE, {"agent": "new"})
    assert config.key("agent", HERE) == "new"


def test_a_file_of_keys_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        config.key("agent", HERE, tmp_path / "missing")


def test_keys_kept_at_once_leave_a_whole_file(node3_home: Path) -> None:
    def keep(number: int) -> None:
        config.keep_keys(f"http://127.0.0.1:{number}", {"agent": "x" * 1000})

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads((node3_home / "keys.json").read_text())
    assert [path.name for path in node3_home.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    "chosen",
    [
        {"max_concurrent_jobs": 0},
        {"max_concurrent_jobs": "2"},
        {"max_concurrent_jobs": True},
        {"max_jobs": -1},
        {"poll_s": 0},
        {"poll_s": float("nan")},
        {"heartbeat_s": float("inf")},
        {"heartbeat_s": "often"},
        {"wait_s": 61},
        {"max_input_bytes": 0},
        {"wallet_address": "x" * 257},
        {"wallet_address": "a\nb"},
    ],
)
def test_a_choice_that_cannot_be_kept_is_named(chosen: dict[str, object]) -> None:
    (name,) = chosen
    with pytest.raises(ConfigError, match=f"^{name}: "):
        Settings(**chosen)


def test_jobs_share_the_machine_by_its_slots() -> None:
    small = Machine(cores=4, memory_bytes=2 * GIB)
    assert Settings().slots(small) == 2
    assert Settings().slots(Machine(cores=1, memory_bytes=GIB)) == 1
    assert Settings(max_concurrent_jobs=3).slots(small) == 3
    assert LiveQuota(Settings(), small, 0).now.job_defaults().memory_bytes == 3 * GIB // 4
    large = LiveQuota(Settings(), Machine(4, 64 * GIB), 0)
    assert large.now.job_defaults().memory_bytes == 2 * GIB
