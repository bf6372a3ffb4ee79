"""The API key is nowhere but in the header of our calls and in a file for its owner alone."""

from __future__ import annotations

import logging
import os
import stat
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from agent.agent_parts import BOUND_S, SLEEPS, eventually, provider, told
from support.base_faults import status
from support.base_marketplace import BaseMarketplace

from node3nb import config
from node3nb.errors import Node3Error
from node3nb.job_manager import JobManager
from node3nb.marketplace.client.client import MarketplaceClient

KEY = "n3_agent_secret_0123456789abcdef"


def files_below(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def seen_of(process: psutil.Process) -> str:
    place = Path("/proc", str(process.pid))
    return "".join((place / name).read_text(errors="replace") for name in ("cmdline", "environ"))


def test_a_given_key_shows_nowhere(
    base: BaseMarketplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("NODE3_API_KEY", KEY)
    base.agents["me"] = {"api_key": KEY}
    shows = "import os; print(dict(os.environ)); print(open('/proc/self/cmdline').read())"
    base.inject("/complete", *[status(500)] * 3)
    showing, sleeping = base.add_job(["python", "-c", shows]), base.add_job(SLEEPS)
    with provider(base.url) as running:
        eventually(lambda: "begun" in (running.logs(sleeping) or ("",))[0])
        eventually(lambda: told(running, "waits"))
        children = psutil.Process().children(recursive=True)
        assert len(children) >= 2
        assert KEY not in "".join(map(seen_of, children))
        kept = files_below(config.state_dir())
        assert any(name.endswith("result.json") for name in kept)
        assert not [name for name, content in kept.items() if KEY.encode() in content]
        base.wait_for(showing, "completed", timeout_s=BOUND_S)
        shown = [running, running.snapshot(), running.snapshot().to_dict(), running.events()]
        shown += [running.result(showing), vars(running), caplog.text]
        assert KEY not in "".join(map(repr, shown))
    assert {call.headers["x-api-key"] for call in base.calls_to("/api/")} == {KEY}
    assert KEY not in "".join(str(call.body) for call in base.calls)


def test_a_key_of_our_own_is_kept_for_its_owner_alone(base: BaseMarketplace) -> None:
    with provider(base.url):
        base.wait_for(base.add_job(["true"]), "completed", timeout_s=BOUND_S)
    (agent,) = base.agents.values()
    key = agent["api_key"]
    holding = [
        name for name, content in files_below(config.state_dir()).items() if key.encode() in content
    ]
    assert holding == [str(config.state_dir() / "keys.json")]
    assert stat.S_IMODE(os.stat(holding[0]).st_mode) == 0o600


def test_a_key_stands_in_no_error(base: BaseMarketplace) -> None:
    base.inject("", *[status(code) for code in (400, 401, 403, 404, 429, 500)])
    client = MarketplaceClient(base.url, KEY)
    for _ in range(6):
        with pytest.raises(Node3Error) as caught:
            client.heartbeat(None)
        chain = [caught.value, caught.value.__cause__, caught.value.__context__]
        assert KEY not in "".join(f"{each!r} {each}" for each in chain)
    base.stop()
    with pytest.raises(Node3Error) as caught:
        client.heartbeat(None)
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert KEY not in repr(client)
    assert KEY not in repr(JobManager(base.url, KEY))


def test_a_key_goes_to_its_marketplace_only(base: BaseMarketplace) -> None:
    base.agents["me"] = {"api_key": KEY}
    with BaseMarketplace() as elsewhere:
        url = elsewhere.serve_input("data", b"data")
        job_id = base.add_job(["true"], input_data_url=url)
        with provider(base.url, KEY):
            base.wait_for(job_id, "completed", "failed", timeout_s=BOUND_S)
        assert not [call for call in elsewhere.calls if "x-api-key" in call.headers]


def test_a_redirect_does_not_take_the_key_along(base: BaseMarketplace) -> None:
    class Redirects(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(307)
            self.send_header("Location", f"{base.url}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Redirects) as redirecting:
        thread = threading.Thread(target=redirecting.serve_forever, args=(0.02,))
        thread.start()
        client = MarketplaceClient(f"http://127.0.0.1:{redirecting.server_address[1]}", KEY)
        with pytest.raises(Node3Error, match="307"):
            client.heartbeat(None)
        redirecting.shutdown()
        thread.join()
    assert base.calls == []


def test_a_proxy_of_the_environment_does_not_see_the_key(
    base: BaseMarketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BaseMarketplace() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        base.agents["me"] = {"api_key": KEY}
        MarketplaceClient(base.url, KEY).heartbeat(None)
        assert proxy.calls == []
