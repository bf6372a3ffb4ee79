"""How soon a new job wakes an agent that waits, among a thousand that wait and are not woken.

The marketplace is a process of its own.  What is measured begins before the job is sent and ends
when the answer to the agent's poll is there: it holds the submission, synced, and the look at the
queue.  Waiters are connections of one event loop here, so that there is little else in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from marketplace.market_parts import BASE_QUERY, MACHINE
from support import postgresql

#: Agents that wait at once, and jobs that wake one each.
WAITERS, SAMPLES = 1_000, 300
#: How long a poll waits, in seconds: longer than the measuring takes.
WAIT_S = 60.0
#: Bound of the whole of it, on one database, in seconds.
BOUND_S = 240.0


def rows() -> Iterator[tuple[str, str]]:
    """Yield what was measured: a label and a value each."""
    with tempfile.TemporaryDirectory() as directory, postgresql.running(fsync="on") as server:
        data = Path(directory)
        for name, url in (
            ("SQLite", f"sqlite:///{data / 'market.db'}"),
            ("PostgreSQL", server.fresh()),
        ):
            took = _measured(data / name, url)
            label = f"{name}, wake-up of one of {WAITERS:,} that wait"
            for percent in (50, 99):
                value = statistics.quantiles(took, n=100)[percent - 1] * 1000
                yield f"{label}: p{percent}", f"{value:.1f} ms"


def _measured(data: Path, url: str) -> list[float]:
    command = [sys.executable, "-m", "node3nb", "marketplace", "--port", "0", "--data", str(data)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NODE3_DB": url}
    ) as market:
        try:
            assert market.stdout is not None
            port = int(market.stdout.readline().rpartition(":")[2])
            keys = json.loads((data / "keys.json").read_text())
            return asyncio.run(asyncio.wait_for(_wake(port, keys["consumer"]), BOUND_S))
        finally:
            market.terminate()


@dataclass
class _Line:
    """A connection to the marketplace, for one call after another."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> _Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def call(self, path: str, body: Any, key: str = "") -> dict[str, Any]:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += f"X-API-Key: {key}\r\n" if key else ""
        self.writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        told = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(told.partition(b"content-length:")[2].split()[0])
        answer = await self.reader.readexactly(length)
        assert told.split()[1] == b"200", answer
        return dict(json.loads(answer))


async def _wake(port: int, consumer: str) -> list[float]:
    submitter = await _Line.open(port)
    agent = (await submitter.call("/api/agents/register", MACHINE))["api_key"]
    woken: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
    lines = [await _Line.open(port) for _ in range(WAITERS)]
    waiting = [asyncio.create_task(_wait(line, agent, woken)) for line in lines]
    took = []
    for sample in range(-WAITERS, SAMPLES):  # those below 0 wake each once: all have come
        began = time.perf_counter()
        sent = await submitter.call("/api/jobs", {"command": ["true"]}, consumer)
        arrived, job_id = await woken.get()
        while job_id != sent["job_id"]:  # offered a second time in the moment it was accepted
            arrived, job_id = await woken.get()
        if sample >= 0:
            took.append(arrived - began)
        await submitter.call(f"/api/jobs/{job_id}/accept", {"wallet_address": "w"}, agent)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for line in (submitter, *lines):
        line.writer.close()
    return took


async def _wait(line: _Line, key: str, woken: asyncio.Queue[tuple[float, str]]) -> None:
    query = {**BASE_QUERY, "wait_s": WAIT_S, "free_slots": 1}
    while True:
        jobs = (await line.call("/api/jobs/available", query, key))["jobs"]
        if jobs:
            woken.put_nowait((time.perf_counter(), jobs[0]["job_id"]))


if __name__ == "__main__":
    for label, value in rows():
        print(f"{label:60} {value}", flush=True)
