"""A real Jupyter server on loopback: JupyterLab, Notebook 7 and Voila at one address."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil

#: Seconds the server gets to answer; it starts slowly on a loaded machine.
START_S = 120.0


@dataclass(frozen=True)
class Server:
    """One server that runs."""

    #: Where it listens.
    url: str
    #: What opens it.
    token: str
    #: Its notebooks.
    root: Path

    def ask(self, path: str, method: str = "GET", **body: Any) -> Any:
        """Call its REST API."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
            data=json.dumps(body).encode() if body else None,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def write(self, name: str, *cells: str) -> nbformat.NotebookNode:
        """Write a notebook with cells of code."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
        )
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell{number}"
        nbformat.write(notebook, self.root / name)
        return notebook

    def connection_file(self, kernel_id: str) -> str:
        """Return the file by which a client reaches a kernel past the server."""
        path = self.root.parent / "run" / f"kernel-{kernel_id}.json"
        deadline = time.monotonic() + START_S
        while not path.exists():
            assert time.monotonic() < deadline, "the kernel has no connection file"
            time.sleep(0.05)
        return str(path)

    def end_kernels(self) -> None:
        """End every kernel, and with it what its notebook started."""
        for session in self.ask("/api/sessions"):
            self.ask(f"/api/sessions/{session['id']}", "DELETE")
        for kernel in self.ask("/api/kernels"):
            self.ask(f"/api/kernels/{kernel['id']}", "DELETE")


@contextlib.contextmanager
def serving(home: Path, *options: str) -> Iterator[Server]:
    """Run a server whose every file lies below `home`, and end it with all it has started."""
    root = home / "work"
    root.mkdir()
    _keep_quiet(home / "settings")
    token = secrets.token_hex(16)
    log = (home / "server.log").open("wb")
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--VoilaConfiguration.show_tracebacks=True",
        *options,
    ]
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(home, token)
    )
    try:
        yield Server(_address(server, home), token, root)
    finally:
        _end(server)
        log.close()


def _keep_quiet(settings: Path) -> None:
    """Have Lab ask nobody whether there is news."""
    told = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    told.parent.mkdir(parents=True)
    told.write_text('{"fetchNews": "false", "checkForUpdates": false}')


def _environment(home: Path, token: str) -> dict[str, str]:
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "run",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "NODE3_HOME": "n3",
    }
    own = {name: str(home / place) for name, place in places.items()}
    return {**os.environ, **own, "JUPYTER_TOKEN": token, "PYTHONWARNINGS": "ignore"}


def _address(server: subprocess.Popen[bytes], home: Path) -> str:
    """Wait until the server has told where it listens."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        for told in (home / "run").glob("jpserver-*.json"):
            with contextlib.suppress(ValueError, KeyError, OSError):
                url = str(json.loads(told.read_text())["url"]).rstrip("/")
                urllib.request.urlopen(f"{url}/api", timeout=5).close()
                return url
        time.sleep(0.1)
    raise AssertionError((home / "server.log").read_text()[-4000:])


def _end(server: subprocess.Popen[bytes]) -> None:
    started = []
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(server.pid).children(recursive=True)
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
