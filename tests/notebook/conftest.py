"""What the notebook's tests share: a shell, kernels, a marketplace."""

from __future__ import annotations

import atexit
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from support import kernel_client
from support.kernel_cells import Cells
from traitlets.config import Config

from node3nb.marketplace import process
from node3nb.marketplace.process import MarketplaceProcess


@pytest.fixture
def bare_shell(node3_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    """A shell that has not heard of us."""
    monkeypatch.setenv("IPYTHONDIR", str(node3_home / "ipython"))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    yield Cells(shell)
    shell.run_line_magic("unload_ext", "node3nb")
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    shell.restore_sys_module_state()


@pytest.fixture
def cells(bare_shell: Cells) -> Cells:
    """A shell with the magics."""
    bare_shell.run("%load_ext node3nb")
    return bare_shell


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketplaceProcess]:
    """A marketplace in a process of its own."""
    with process.start(tmp_path_factory.mktemp("market")) as market:
        yield market


@pytest.fixture
def kernel(node3_home: Path) -> Iterator[kernel_client.Kernel]:
    """A real kernel."""
    with kernel_client.kernel(node3_home) as kernel:
        yield kernel


@pytest.fixture
def market_url(market: MarketplaceProcess) -> str:
    """Where it listens."""
    return market.url


@pytest.fixture
def submit(market: MarketplaceProcess) -> str:
    """The words that send a cell to it."""
    return f"%%node3 submit --marketplace {market.url} --keys {market.keys_file}"


@pytest.fixture
def keys(market: MarketplaceProcess) -> list[str]:
    """Its secrets."""
    return list(json.loads(market.keys_file.read_text()).values())


@pytest.fixture
def start(market_url: str) -> str:
    """The words that start a provider of it."""
    return f"%node3 start --native-only --marketplace {market_url}"
