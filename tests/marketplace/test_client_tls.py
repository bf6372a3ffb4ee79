"""A marketplace behind TLS: whose certificates are accepted, and what is said when one is not."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from marketplace.market_parts import Market
from support import needs, relay

from node3nb.errors import MarketplaceUnreachable
from node3nb.marketplace.client.client import MarketplaceClient

#: Bound of making a certificate, in seconds.
BOUND_S = 60.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this machine that nobody else has signed, and its key."""
    room = tmp_path_factory.mktemp("tls")
    certificate, key = room / "certificate.pem", room / "key.pem"
    names = ("-subj", "/CN=here", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    made = ("-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate)
    subprocess.run(
        [needs.program("openssl"), "req", *made, *names],
        check=True,
        capture_output=True,
        timeout=BOUND_S,
    )
    return certificate, key


@pytest.fixture
def behind_tls(market: Market, certificate: tuple[Path, Path]) -> Iterator[str]:
    """The URL of a marketplace's proxy that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with relay.running(market.url) as proxy:
        proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
        yield proxy.url.replace("http:", "https:")


def test_the_environment_says_whose_certificates_are_accepted(
    market: Market,
    behind_tls: str,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert MarketplaceClient(behind_tls, market.consumer.key).jobs() == []


def test_a_certificate_that_is_not_accepted_is_told(
    market: Market, behind_tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with pytest.raises(MarketplaceUnreachable, match=r"is not accepted; .* REQUESTS_CA_BUNDLE"):
        MarketplaceClient(behind_tls, market.consumer.key).jobs()


def test_a_marketplace_that_speaks_no_tls_is_told(market: Market) -> None:
    url = market.url.replace("http:", "https:")
    with pytest.raises(MarketplaceUnreachable, match="speaks no TLS"):
        MarketplaceClient(url, market.consumer.key).jobs()
