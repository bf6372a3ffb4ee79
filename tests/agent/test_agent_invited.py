"""A marketplace that takes agents by invitation, and those who have one."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from agent.agent_parts import SLEEPS, Market, eventually, provider, reason_tells, told
from agent.test_agent_secrets import files_below, seen_of

from node3nb import config
from node3nb.examination import examine
from node3nb.marketplace.client.admin_client import AdminClient
from node3nb.marketplace.keys import Role
from node3nb.marketplace.pages import KeyAsked
from node3nb.marketplace.server import running as marketplace
from node3nb.marketplace.settings import Registration, Settings


@contextlib.contextmanager
def taking(who: Registration, directory: Path) -> Iterator[Market]:
    settings = Settings(directory / "market", registration=who)
    with marketplace(settings) as url:
        yield Market(url, settings.data_dir)


@pytest.fixture
def inviting(tmp_path: Path) -> Iterator[Market]:
    with taking(Registration.INVITED, tmp_path) as market:
        yield market


def invitation(market: Market) -> str:
    """Return an invitation for one agent."""
    admin = AdminClient(market.url, market.keys["admin"])
    return admin.make_key(KeyAsked(role=Role.INVITATION, uses=1)).api_key


def test_who_has_none_is_told_what_is_needed(inviting: Market) -> None:
    with provider(inviting.url) as running:
        eventually(lambda: reason_tells(running, "takes agents by invitation"))
        assert reason_tells(running, "NODE3_INVITATION")
        assert not told(running, "registering anew")
        assert running.running


def test_an_invitation_of_the_environment_lets_in_and_shows_nowhere(
    inviting: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = invitation(inviting)
    monkeypatch.setenv("NODE3_INVITATION", secret)
    job_id = inviting.submit(SLEEPS)
    with provider(inviting.url) as running:
        inviting.until_begun(running, job_id)
        children = psutil.Process().children(recursive=True)
        assert secret not in "".join(map(seen_of, children))
        shown = [running, running.snapshot(), running.events(), vars(running), vars(running.quota)]
        assert secret not in "".join(map(repr, shown))
    kept = files_below(config.state_dir())
    assert not [name for name, content in kept.items() if secret.encode() in content]


def test_one_that_is_used_up_is_said_and_one_s_own_key_needs_none(
    inviting: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NODE3_INVITATION", invitation(inviting))
    with provider(inviting.url):
        assert inviting.result(inviting.submit(["true"])).ok
    with provider(inviting.url):
        assert inviting.result(inviting.submit(["true"])).ok
    monkeypatch.setenv("NODE3_HOME", str(tmp_path / "other"))
    with provider(inviting.url) as running:
        eventually(lambda: reason_tells(running, "refuses the invitation: it is used up"))


def test_a_file_of_keys_brings_it_from_the_command_line(inviting: Market, tmp_path: Path) -> None:
    """The file is the one that `node3nb marketplace keys create --into` has written."""
    file = tmp_path / "invitation.json"
    node3nb = [sys.executable, "-m", "node3nb"]
    asked = ["keys", "create", "--role", "invitation", "--uses", "1", "--into", str(file)]
    where = ["--marketplace", inviting.url, "--keys"]
    admin = [*where, str(inviting.data_dir / "keys.json")]
    subprocess.run([*node3nb, "marketplace", *asked, *admin], check=True, capture_output=True)
    secret = json.loads(file.read_text())["invitation"]
    with subprocess.Popen(
        [*node3nb, "provide", *where, str(file)], stderr=subprocess.PIPE, text=True
    ) as provided:
        assert inviting.result(inviting.submit(["true"])).ok
        provided.send_signal(signal.SIGTERM)
        assert secret not in provided.communicate()[1]


def test_a_closed_marketplace_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE3_INVITATION", "n3_invitation_0000000000000000_none")
    with taking(Registration.CLOSED, tmp_path) as market, provider(market.url) as running:
        eventually(lambda: reason_tells(running, "takes no new agents; ask its host"))


def test_the_doctor_tells_what_registration_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "where agents are invited, it needs NODE3_INVITATION set" in examine()["agent"]
    monkeypatch.setenv("NODE3_INVITATION", "n3_invitation_0000000000000000_none")
    assert "with your invitation" in examine()["agent"]
    config.keep_keys(config.DEFAULT_MARKETPLACE, {"agent": "n3_agent_0000000000000000_none"})
    assert "has given it a key" in examine()["agent"]
