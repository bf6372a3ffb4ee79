"""One container of an engine: made, attached, started, ended, removed."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from typing import Any, Self

from node3nb.supervisor.containers import mount_points
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineRefusal
from node3nb.supervisor.containers.hardened import (
    HOME,
    JOB,
    PROVIDER,
    Places,
    mounted,
    request,
)
from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.sandbox import slots

#: Answer of an engine that has no such container.
_NOT_THERE = 404
#: Seconds an engine gets to remove a container, processes included, and between two tries.
REMOVE_S, RETRY_S = 10.0, 0.05
#: States after which a container does not run again by itself.
ENDED = frozenset({"exited", "dead"})
#: Waits on its standard input for the command and its variables, then becomes that command.
#: Python ignores two signals, and what is ignored stays so over an exec (execve(2)).
WAITER = (
    "import json, signal, sys\n"
    "from os import dup2, environ, execvpe, open\n"
    "told = json.loads(sys.stdin.buffer.read())\n"
    "dup2(open('/dev/null', 0), 0)\n"
    "for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):\n"
    "    signal.signal(number, signal.SIG_DFL)\n"
    "execvpe(told['argv'][0], told['argv'], {**environ, **told['env']})\n"
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose containers they are."""

    #: Name of the provider that is the process holding them.
    provider: str
    #: Name of its owner's state directory: whoever shares it may sweep.
    home: str

    def labels(self, job: str) -> dict[str, str]:
        """Return the labels of one of its containers."""
        return {PROVIDER: self.provider, HOME: self.home, JOB: job}


class Container:
    """A container that exists, with what was taken for it.

    Attributes
    ----------
    name
        By which the engine knows it.
    stream
        What is attached to its output.
    """

    def __init__(self, api: EngineAPI, name: str, user: _User) -> None:
        self.api = api
        self.name = name
        self._user = user
        self.stream: socket.socket

    @classmethod
    def make(
        cls, api: EngineAPI, name: str, order: ContainerOrder, owner: Owner, places: Places
    ) -> Self:
        """Have a container created and attach to it; it does not run yet.

        Raises
        ------
        Misleading
            The image leads its mounts elsewhere.
        EngineRefusal, EngineGone
            The engine would not, or is gone.
        OSError
            The directories could not be given to the job's user.
        """
        return cls._create(api, name, order, owner, places)

    @classmethod
    def waiting(
        cls, api: EngineAPI, name: str, order: ContainerOrder, owner: Owner, places: Places
    ) -> Self:
        """Have a container created and started in which a Python waits for its command.

        Raises
        ------
        EngineRefusal, EngineGone, OSError
            As `make`.
        """
        program = (order.argv[0], "-I", "-S", "-c", WAITER)
        made = cls._create(api, name, order, owner, places, program=program)
        try:
            made.start()
        except BaseException:
            made.remove()
            raise
        return made

    @classmethod
    def _create(
        cls,
        api: EngineAPI,
        name: str,
        order: ContainerOrder,
        owner: Owner,
        places: Places,
        *,
        program: tuple[str, ...] = (),
    ) -> Self:
        user = _User.of(order)
        made = cls(api, name, user)
        try:
            user.own((places.input, places.output, places.work))
            labels = owner.labels("" if program else order.job)
            body = request(order, places, user.name, labels, waiting=program)
            mount_points.check(
                api,
                order.image,
                mounted(order),
                name=f"{name}-look",
                labels=owner.labels(""),
                remove=remove,
            )
            api.call("POST", "/containers/create", body, name=name)
            made.stream = api.attach(name, stdin=bool(program))
        except BaseException:
            made.remove()
            raise
        return made

    def own(self, paths: tuple[str, ...]) -> None:
        """Give directories to the user it runs as."""
        self._user.own(paths)

    def start(self) -> None:
        """Have it run."""
        self.api.call("POST", f"/containers/{self.name}/start")

    def command(self, argv: tuple[str, ...], env: dict[str, str]) -> None:
        """Give a container that waits its command."""
        self.stream.sendall(json.dumps({"argv": argv, "env": env}).encode())
        self.stream.shutdown(socket.SHUT_WR)

    def look(self) -> dict[str, Any] | None:
        """Return its state as the engine tells it; None when somebody has removed it."""
        try:
            told = self.api.call("GET", f"/containers/{self.name}/json")
        except EngineRefusal as refusal:
            if refusal.status == _NOT_THERE:
                return None
            raise
        state: dict[str, Any] = told["State"]
        return None if state["Status"] == "removing" else state

    def signal(self, name: str) -> None:
        """Send its first process a signal; one that has ended, or is about to, hears nothing."""
        with contextlib.suppress(EngineRefusal):
            self.api.call("POST", f"/containers/{self.name}/kill", signal=name)

    def remove(self) -> None:
        """Kill and remove it, and give back what was taken; one that is gone is no error.

        Raises
        ------
        EngineRefusal, EngineGone
            It may still be there.
        """
        if hasattr(self, "stream"):
            self.stream.close()
        try:
            remove(self.api, self.name)
        except BaseException:
            self._user.leave()
            raise
        self._user.release()


def remove(api: EngineAPI, name: str) -> None:
    """Kill and remove a container with the volumes of its own; one that is gone is no error.

    Raises
    ------
    EngineRefusal, EngineGone
        It may still be there.
    """
    until = time.monotonic() + REMOVE_S
    while True:
        try:
            api.call("DELETE", f"/containers/{name}", timeout_s=REMOVE_S, force=1, v=1)
        except EngineRefusal as refusal:
            if refusal.status == _NOT_THERE:
                return
            # It is just changing its state, or somebody else removes it: then it is asked again.
            if time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
        else:
            return


class _User:
    """As whom a container runs: the owner, or for root a user that stands for no account."""

    def __init__(self, name: str, slot: slots.Slot | None) -> None:
        self.name = name
        self._slot = slot

    @classmethod
    def of(cls, order: ContainerOrder) -> Self:
        if order.user:
            return cls(order.user, None)
        slot = slots.take()
        if slot is None:
            raise OSError(0, "no user of its own is free for the job")
        return cls(f"{slot.uid}:{slot.uid}", slot)

    def own(self, paths: tuple[str, ...]) -> None:
        if self._slot is not None:
            slots.own(paths, self._slot.uid)

    def release(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.release()

    def leave(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.leave()
