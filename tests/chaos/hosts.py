"""The providers of a run: each in a real kernel, ended and started again on a thread of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from chaos.processes import alive_of, await_none
from chaos.worker import Worker
from support.doomed import doomed
from support.kernel_client import Kernel, kernel

#: Seconds a provider gets to start when its disk is full for a while.
START_S = 60.0
#: Seconds in which a provider that can reach its marketplace delivers, and how often it is begun.
TRY_S, STARTS = 5.0, 12
_START = """
from node3nb import Provider, Settings
from node3nb.containers.policy import ContainerPolicy
provider = Provider(
    {url!r},
    docker_manager={engine!r},
    settings=Settings(
        wallet_address={wallet!r},
        max_concurrent_jobs={slots},
        max_memory_bytes={slots} << 30,
        wait_s=5.0,
        heartbeat_s=2.0,
        poll_s=0.5,
        min_free_bytes=4 << 20,
        containers=ContainerPolicy(prefer_native=True, default_image={image!r}, pull=False),
    ),
).start()
"""
_HOLD = """
import re as _re, time as _time
_until = _time.monotonic() + {seconds}
while _time.monotonic() < _until:
    _re.match(r"(a+)+b", "a" * 24)
"""
_LIVE_BLOCKS = "(__import__('gc').collect(), __import__('sys').getallocatedblocks())[1]"
_TOLD = "[[each.at, each.text] for each in provider.events()]"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a provider lives, whatever becomes of its kernels."""

    #: Directory of its state, which outlives them.
    home: Path
    #: Directory below which each kernel has its own.
    kernels: Path
    #: Environment of the kernels, besides ours.
    env: dict[str, str]
    #: Where rewards go.
    wallet: str
    #: Image of jobs in containers; empty where there is no engine.
    image: str = ""


class Host:
    """One provider; what is asked of it is done in order, on its own thread.

    Parameters
    ----------
    url
        The marketplace, as this provider reaches it.
    place
        Where it lives.
    slots
        Jobs it runs at once.
    """

    def __init__(self, url: str, place: Place, slots: int) -> None:
        self._url = url
        self._place = place
        self._slots = slots
        self._kernel: Kernel | None = None
        self._own = contextlib.ExitStack()
        self._number = 0
        #: Process ids of all that has kept jobs here.
        self.keepers: set[int] = set()
        self.worker = Worker(f"the provider in {place.home.name}")
        self.worker.ask(self._start)

    def close(self) -> None:
        """Stop the provider, end its kernel, and see that nothing of it is left."""
        self.worker.ask(self._stop)
        self.worker.settle()

    def kill_kernel(self) -> None:
        """Kill the kernel; all below it has to end by itself; start the next."""
        below = self._below()
        self._kill([self._process])
        await_none(lambda: alive_of(below), "a killed kernel")
        self._restart()

    def lose_machine(self) -> None:
        """Kill the kernel and all below it at once, and start the next."""
        machine = [self._process, *self._below()]
        for process in machine:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()  # nobody gets to clear up
        self._kill(machine)
        await_none(lambda: alive_of(machine), "a lost machine")
        self._restart()

    def kill_supervisor(self, draw: float) -> None:
        """Kill one of the processes that keep jobs, and no job."""
        keepers = self._keepers()
        if keepers:
            self._kill([keepers[int(draw * len(keepers))]])

    def orphan_containers(self) -> None:
        """Kill the process that owns the provider's containers, if it runs."""
        self._kill([each for each in self._keepers() if _owns_containers(each)])

    def deliver(self) -> None:
        """Wait until the marketplace has heard of everything."""
        self.worker.ask(self._deliver)
        self.worker.settle()

    def freeze(self, seconds: float) -> None:
        """Stop the kernel, and let it go on."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def hold_interpreter(self, seconds: float) -> None:
        """Run a cell that lets no other thread run."""
        self._living.run(_HOLD.format(seconds=seconds))

    def restart_provider(self) -> None:
        """Stop the provider and start it again, in the same kernel."""
        self._living.run("provider.stop()")
        self._begin()

    def processes(self) -> tuple[psutil.Process, list[psutil.Process]]:
        """Return the kernel, and what keeps its jobs."""
        return self._process, self._keepers()

    def live_blocks(self) -> int:
        """Return how many blocks of memory the kernel's objects take, once garbage is gone."""
        return int(self._living.value(_LIVE_BLOCKS))

    def told(self) -> str:
        """Return what the provider has told its owner."""
        events = self._living.value(_TOLD)
        return "\n".join(f"  {at} {text}" for at, text in events[-40:])

    @property
    def _living(self) -> Kernel:
        assert self._kernel is not None
        return self._kernel

    @property
    def _process(self) -> psutil.Process:
        return psutil.Process(self._living.pid)

    def _below(self) -> list[psutil.Process]:
        self._keepers()
        return self._process.children(recursive=True)

    def _keepers(self) -> list[psutil.Process]:
        """Return what keeps jobs now: our own programs, but not what they became in a sandbox."""
        below = self._process.children(recursive=True)
        ours = [each for each in below if "/node3nb/supervisor/" in " ".join(_command(each))]
        keepers = [each for each in ours if not _sandboxed(each)]
        self.keepers.update(each.pid for each in keepers)
        return keepers

    def _start(self) -> None:
        self._number += 1
        directory = self._place.kernels / str(self._number)
        directory.mkdir()
        env = {**self._place.env, "NODE3_HOME": str(self._place.home)}
        self._kernel = self._own.enter_context(kernel(directory, within=doomed([]), env=env))
        self._begin()

    def _deliver(self) -> None:
        """Wait; what was not answered may wait for minutes, or be tried at once by the next."""
        for _ in range(STARTS):
            until = time.monotonic() + TRY_S
            while self._undelivered() and time.monotonic() < until:
                time.sleep(0.1)
            if not self._undelivered():
                return
            self.restart_provider()

    def _undelivered(self) -> bool:
        return any((self._place.home / "outbox").iterdir())

    def _begin(self) -> None:
        """Start the provider; a full disk may keep it from starting for a while."""
        deadline = time.monotonic() + START_S
        place = self._place
        code = _START.format(
            url=self._url,
            slots=self._slots,
            wallet=place.wallet,
            engine="auto" if place.image else None,
            image=place.image,
        )
        while True:
            reply = self._living.finish(self._living.begin(code))
            if reply.status == "ok":
                return
            assert time.monotonic() < deadline, reply.error
            time.sleep(0.2)

    def _restart(self) -> None:
        self._own.close()
        self._own = contextlib.ExitStack()
        self._start()

    def _stop(self) -> None:
        self._living.run("provider.stop()")
        await_none(lambda: alive_of(self._below()), "a stopped provider")
        below = self._below()
        self._living.client.shutdown()
        await_none(lambda: alive_of([*below, self._process]), "a kernel that was shut down")
        self._own.close()

    @staticmethod
    def _kill(processes: list[psutil.Process]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _owns_containers(process: psutil.Process) -> bool:
    return "/node3nb/supervisor/containers/" in " ".join(_command(process))


def _sandboxed(process: psutil.Process) -> bool:
    """Whether it is a job, which keeps the command line of the warm Python it was forked from."""
    try:
        own = os.readlink("/proc/self/ns/pid")
        return (
            os.readlink(f"/proc/{process.pid}/ns/pid") != own or process.uids().real != os.getuid()
        )
    except (OSError, psutil.Error):
        return True
