"""How each fault is done, and how it ends."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from chaos.engine import Engine
from chaos.hosts import Host
from chaos.market import Market
from chaos.proxy import Line
from chaos.schedule import ENGINE, NETWORK, Fault, Planned
from chaos.worker import Worker
from support.small_disk import Disk

Victim = TypeVar("Victim")


class Faults:
    """All that can go wrong in a run; whatever it happens to has one fault at a time.

    Parameters
    ----------
    hosts
        The providers.
    lines
        The ways to the marketplace.
    market
        The marketplace.
    disk
        The disk of the first provider.
    engine
        Its container engine; None for none.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        lines: Sequence[Line],
        market: Market,
        disk: Disk,
        engine: Engine | None,
    ) -> None:
        self._hosts = hosts
        self._lines = lines
        self._market = market
        self._disk = disk
        self._engine = engine
        self._at_lines = [Worker(f"line {number}") for number in range(len(lines))]
        self._at_market = Worker("the marketplace")
        self._at_disk = Worker("the disk")
        self._at_engine = Worker("the engine")

    def do(self, planned: Planned) -> None:
        """Have a fault happen, as soon as what it happens to is well."""
        if planned.fault in NETWORK:
            step = functools.partial(self._break, planned)
            self._at_lines[planned.victim].ask(step)
        elif planned.fault is Fault.DISK_FULL:
            self._at_disk.ask(functools.partial(self._fill, planned.lasts_s))
        elif planned.fault in ENGINE:
            assert self._engine is not None
            step = functools.partial(_AT_ENGINE[planned.fault], self._engine, planned)
            self._at_engine.ask(step)
        elif planned.fault in _AT_MARKET:
            step = functools.partial(_AT_MARKET[planned.fault], self._market, planned)
            self._at_market.ask(step)
        else:
            host = self._hosts[planned.victim]
            host.worker.ask(functools.partial(_AT_HOST[planned.fault], host, planned))

    def check(self) -> None:
        """See that nothing has gone wrong that must not."""
        for worker in self._workers():
            worker.check()

    def settle(self) -> None:
        """Wait until all is well again."""
        for worker in self._workers():
            worker.settle()

    def close(self) -> None:
        """Let go; a marketplace that was started here ends."""
        for worker in self._workers():
            worker.close()

    def _workers(self) -> list[Worker]:
        at_hosts = [host.worker for host in self._hosts]
        return [*self._at_lines, *at_hosts, self._at_market, self._at_disk, self._at_engine]

    def _break(self, planned: Planned) -> None:
        line = self._lines[planned.victim]
        line.break_by(planned.fault)
        time.sleep(planned.lasts_s)
        line.mend()

    def _fill(self, seconds: float) -> None:
        self._disk.fill()
        time.sleep(seconds)
        self._disk.free()


def _for_a_while(
    begin: Callable[[Victim], None], end: Callable[[Victim], None]
) -> Callable[[Victim, Planned], None]:
    """Return a fault that lasts as long as planned."""

    def happen(victim: Victim, planned: Planned) -> None:
        begin(victim)
        time.sleep(planned.lasts_s)
        end(victim)

    return happen


_AT_ENGINE: dict[Fault, Callable[[Engine, Planned], None]] = {
    Fault.ENGINE_KILLED: _for_a_while(Engine.kill, Engine.start),
    Fault.ENGINE_FROZEN: _for_a_while(Engine.freeze, Engine.thaw),
    Fault.CONTAINER_REMOVED: lambda engine, planned: engine.rob(planned.draw, planned.lasts_s),
}
_AT_MARKET: dict[Fault, Callable[[Market, Planned], None]] = {
    Fault.MARKET_KILLED: _for_a_while(Market.kill, Market.start),
    Fault.MARKET_RESTARTED: _for_a_while(Market.stop, Market.start),
    Fault.MARKET_FROZEN: _for_a_while(Market.freeze, Market.thaw),
    Fault.DATABASE_KILLED: _for_a_while(Market.crash_database, Market.start_database),
}
_AT_HOST: dict[Fault, Callable[[Host, Planned], None]] = {
    Fault.KERNEL_KILLED: lambda host, _: host.kill_kernel(),
    Fault.MACHINE_LOST: lambda host, _: host.lose_machine(),
    Fault.SUPERVISOR_KILLED: lambda host, planned: host.kill_supervisor(planned.draw),
    Fault.CONTAINERS_ORPHANED: lambda host, _: host.orphan_containers(),
    Fault.KERNEL_FROZEN: lambda host, planned: host.freeze(planned.lasts_s),
    Fault.INTERPRETER_HELD: lambda host, planned: host.hold_interpreter(planned.lasts_s),
    Fault.PROVIDER_RESTARTED: lambda host, _: host.restart_provider(),
}
