from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli.cli_parts import complaint, given_here

from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings


@dataclass(frozen=True)
class Market:
    """One of our marketplaces and its file of keys."""

    url: str
    keys_file: Path

    @property
    def client(self) -> MarketplaceClient:
        return MarketplaceClient(self.url, json.loads(self.keys_file.read_text())["consumer"])


@pytest.fixture
def mistake(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    """Give a command that is refused, and return the one line it says."""

    def give(words: list[str]) -> str:
        status = given_here(words)
        said = capsys.readouterr()
        return complaint(subprocess.CompletedProcess(words, status, said.out, said.err))

    return give


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """One of our marketplaces, on a real port with a real database file."""
    settings = Settings(tmp_path / "market")
    with running(settings) as url:
        yield Market(url, settings.data_dir / "keys.json")
