"""Things every program may do: `python ordinary_work.py WHAT`; prints `done`."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Lock


def _square(number: int) -> int:
    return number * number


def _processes(method: str) -> None:
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map(_square, range(8)) == [number**2 for number in range(8)]
    queue, lock = context.Queue(), context.Lock()
    process = context.Process(target=_put, args=(queue, lock))
    process.start()
    assert queue.get(timeout=20) == "put"
    process.join()
    assert process.exitcode == 0


def _put(queue: Queue, lock: Lock) -> None:
    with lock:
        queue.put("put")


def fork() -> None:
    _processes("fork")


def spawn() -> None:
    _processes("spawn")


def numbers() -> None:
    import numpy as np

    size = 200
    product = np.ones((size, size)) @ np.ones((size, size))
    assert product.sum() == size**3


def threads() -> None:
    event = threading.Event()
    started = [threading.Thread(target=event.wait) for _ in range(8)]
    for thread in started:
        thread.start()
    event.set()
    for thread in started:
        thread.join()


def programs() -> None:
    shell = subprocess.run(["sh", "-c", "echo one | cat"], capture_output=True, check=True)
    assert shell.stdout == b"one\n"
    python = subprocess.run([sys.executable, "-c", "print(2)"], capture_output=True, check=True)
    assert python.stdout == b"2\n"


def database() -> None:
    with tempfile.TemporaryDirectory(dir=".") as place:
        connection = sqlite3.connect(os.path.join(place, "data"))
        connection.execute("create table t (n integer)")
        connection.execute("insert into t values (1)")
        connection.commit()
        assert connection.execute("select n from t").fetchall() == [(1,)]
        connection.close()


def certificates() -> None:
    assert ssl.create_default_context().cert_store_stats()["x509"] >= 0
    assert len(ssl.RAND_bytes(8)) == 8


def event_loop() -> None:
    import asyncio

    async def main() -> int:
        process = await asyncio.create_subprocess_exec("true")
        await asyncio.to_thread(time.sleep, 0.01)
        return await process.wait()

    assert asyncio.run(main()) == 0


def files() -> None:
    with tempfile.NamedTemporaryFile(dir=".") as file:
        os.chmod(file.name, 0o640)
        os.utime(file.name, (1, 1))
        assert os.stat(file.name).st_mtime == 1
    os.mkfifo("pipe")
    os.symlink("pipe", "link")
    os.rename("pipe", "other")
    os.nice(1)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("done")
