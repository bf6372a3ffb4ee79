"""Provider: a JobManager on a thread of its own, with controls that any thread may use."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import dataclasses
import functools
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

from node3nb import config, inert_text
from node3nb.agent.journal import Entry
from node3nb.agent.quota import LiveQuota
from node3nb.agent.records import Snapshot
from node3nb.agent.settings import Settings
from node3nb.control import ControlServer
from node3nb.errors import AlreadyRunning, ConfigError
from node3nb.executor import Executor
from node3nb.job_manager import JobManager
from node3nb.jobs import JobResult
from node3nb.secret_text import Secret

#: Seconds a stop may take before the caller goes on without it: the ladder's grace and some.
STOP_S = 30.0
_RUNS = "A provider runs in this process already: `Provider.current()`; stop it to start another."


class Provider:
    """A provider of this machine's computing, one in a process.

    Parameters
    ----------
    marketplace_url, api_key, gpu_info, use_native_execution, settings
        As `JobManager` takes them.
    docker_manager
        As `JobManager` takes it, but an engine is looked for unless None is given.

    Raises
    ------
    ConfigError
        A setting can't be kept.
    """

    #: What shows a provider in a notebook, by name; the notebook's own layer enters it.
    displays: ClassVar[dict[str, Callable[[Provider], Any]]] = {}

    _current: ClassVar[Provider | None] = None
    _starting: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        marketplace_url: str | None = None,
        api_key: str | None = None,
        gpu_info: Mapping[str, Any] | None = None,
        docker_manager: Executor | Literal["auto"] | None = "auto",
        *,
        use_native_execution: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self._new_manager = functools.partial(
            JobManager,
            marketplace_url,
            None if api_key is None else Secret(api_key),
            gpu_info,
            docker_manager,
            use_native_execution=use_native_execution,
            settings=settings,
        )
        self._manager = self._new_manager()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._ready = threading.Event()
        # Not the thread itself: an interrupted join takes a living thread for ended before
        # Python 3.13 (https://github.com/python/cpython/issues/90882).
        self._over = threading.Event()
        self._error: BaseException | None = None

    @classmethod
    def current(cls) -> Provider | None:
        """Return the provider that runs in this process, if one does."""
        running = cls._current
        return running if running is not None and running.running else None

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._thread is not None and not self._over.is_set() and self._pid == os.getpid()

    @property
    def error(self) -> BaseException | None:
        """What ended it, when nobody had asked for its end."""
        return self._error

    def start(self) -> Self:
        """Start it on its own thread and return as soon as it serves.

        One that has ended starts again, with the settings it was made with.

        Raises
        ------
        AlreadyRunning
            A provider runs in this process.
        Node3Error
            Why it does not serve.
        """
        with Provider._starting:
            if Provider.current() is not None:
                raise AlreadyRunning(_RUNS)
            if self._thread is not None:
                self._begin_anew()
            self._thread = self._new_thread()
            Provider._current = self
            self._thread.start()
        atexit.register(self.stop)
        self._ready.wait()
        if self._error is not None:
            self.stop()
            raise self._error
        return self

    def _begin_anew(self) -> None:
        quota = self.quota.now
        self._manager = self._new_manager()
        self.quota.set(**dataclasses.asdict(quota))
        self._ready, self._over, self._error = threading.Event(), threading.Event(), None

    def _new_thread(self) -> threading.Thread:
        # ipykernel 7 finds its shell's parent in a context variable; a plain thread has none
        # of it and raises LookupError(shell_parent) at the first comm message.
        context = contextvars.copy_context()
        return threading.Thread(
            target=context.run, args=(self._live,), name="node3nb-provider", daemon=True
        )

    def _live(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the start
            self._error = error
        finally:
            self._over.set()
            self._ready.set()

    async def _serve(self) -> None:
        serving = asyncio.create_task(self._manager.start())
        if not await self._manager.wait_until_serving():
            return await serving
        async with ControlServer(self, config.control_socket()):
            self._ready.set()
            return await serving

    def pause(self) -> None:
        """Take no more jobs; those that run go on."""
        self._manager.pause()

    def resume(self) -> None:
        """Take jobs again."""
        self._manager.resume()

    def drain(self) -> None:
        """Take no more jobs, and stop when those that run are done; returns at once."""
        self._manager.drain()

    def stop(self, wait_s: float = STOP_S) -> None:
        """End what runs, give it back, stop, and wait for that; a forked process ends nothing."""
        if self._pid != os.getpid():
            return
        self._manager.stop()
        self.join(wait_s)
        if not self.running:
            atexit.unregister(self.stop)

    def join(self, wait_s: float | None = None) -> None:
        """Wait until it has ended, at most so many seconds."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._over.wait(wait_s)

    def cancel(self, job_id: str) -> bool:
        """Ask for the end of one running job; return whether there is one of that id."""
        return self._manager.cancel(job_id)

    @property
    def quota(self) -> LiveQuota:
        """What all jobs together may have of this machine; its `set` changes that at any time."""
        return self._manager.quota

    def snapshot(self, newest: int | None = None) -> Snapshot:
        """Return how things are now, with all jobs or so many of the newest."""
        return self._manager.snapshot(newest)

    def disk_shortage(self) -> str:
        """Return which disk is too full for more jobs, in a sentence; empty when none is."""
        return self._manager.disk_shortage()

    def events(self) -> tuple[Entry, ...]:
        """Return what has happened, oldest first."""
        return self._manager.events()

    def logs(self, job_id: str) -> tuple[str, str] | None:
        """Return what a job has printed so far: standard output and error; None for no job."""
        return self._manager.logs(job_id)

    def result(self, job_id: str) -> JobResult | None:
        """Return how a job ended; None while it runs, or when there is none."""
        return self._manager.result(job_id)

    def dashboard(self) -> Any:
        """Return its live dashboard, for a notebook to show.

        Raises
        ------
        ConfigError
            No notebook has loaded node3nb.
        """
        return self._display("dashboard")

    def controls(self) -> Any:
        """Return its controls as a row of standard widgets, to put into other layouts.

        Raises
        ------
        ConfigError
            No notebook has loaded node3nb.
        """
        return self._display("controls")

    def _display(self, name: str) -> Any:
        if name not in self.displays:
            raise ConfigError(f"{name}: it is shown in a notebook; run %load_ext node3nb in one.")
        return self.displays[name](self)

    def __repr__(self) -> str:
        now = self.snapshot()
        return (
            f"<Provider {now.state} at {now.marketplace_url}: {inert_text.line(now.reason, 600)}>"
        )
