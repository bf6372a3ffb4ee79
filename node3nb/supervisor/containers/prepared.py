"""A container that runs already and waits for the next job of the kind last seen.

To create a container takes 6 ms of the 200 that a job in a new one costs, to start it 150: so
what waits is started, with a Python of the image that becomes the job's command.  It serves one
job, as every container does.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path

from node3nb.files.removal import remove_tree
from node3nb.supervisor.containers.container import Container, Owner
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal
from node3nb.supervisor.containers.hardened import Places
from node3nb.supervisor.containers.ledger import Ledger
from node3nb.supervisor.containers.orders import ContainerOrder

#: Programs of an image that can wait.
PYTHONS = frozenset({"python", "python3"})
#: Begins the name of a directory whose content a container that waits will show.
PREFIX = "prepared-"
#: Seconds for which one waits: nothing else ends it while no job comes.
LIFE_S = 600.0


class Prepared:
    """One container that waits, with the directories it shows.

    Parameters
    ----------
    container
        It.
    order
        The job it was made after.
    directory
        Holds its directories, on the file system of the workspaces.
    """

    def __init__(self, container: Container, order: ContainerOrder, directory: str) -> None:
        self.container = container
        self._kind = order.kind
        self._program = order.argv[0]
        self._directory = directory

    def suits(self, order: ContainerOrder) -> bool:
        """Whether it is of use for a job, and still waits."""
        if not waitable(order) or (order.kind, order.argv[0]) != (self._kind, self._program):
            return False
        if os.path.dirname(self._directory) != os.path.dirname(order.root):
            return False
        with contextlib.suppress(EngineGone, EngineRefusal):
            state = self.container.look()
            return state is not None and state["Status"] == "running"
        return False

    def move_in(self, order: ContainerOrder) -> None:
        """Put the job's files where the container sees them, and those where the job has its own.

        The container shows directories, not paths: they keep being shown under another name.

        Raises
        ------
        OSError
            A directory could not be moved.
        """
        theirs = _places(self._directory)
        self.container.own((order.input, *order.writable))
        for source, target in (
            (order.input, theirs.input),
            (order.output, theirs.output),
            (order.work, theirs.work),
        ):
            for name in os.listdir(source):
                os.rename(os.path.join(source, name), os.path.join(target, name))
            os.rmdir(source)
            os.rename(target, source)
        os.rmdir(self._directory)

    def discard(self) -> None:
        """Remove its directories; the container is left."""
        with contextlib.suppress(OSError):
            remove_tree(Path(self._directory))


class Waiting:
    """At most one container that waits, made in the background.

    Parameters
    ----------
    owner
        Whose it is.
    ledger
        Names containers and sees to it that they are removed.
    life_s
        Seconds a container waits at the most.
    """

    def __init__(self, owner: Owner, ledger: Ledger, *, life_s: float = LIFE_S) -> None:
        self._owner = owner
        self._ledger = ledger
        self._life_s = life_s
        self._lock = threading.Lock()
        self._ready: Prepared | None = None
        self._closed = self._making = False
        self._end: threading.Timer | None = None

    def take(self, order: ContainerOrder) -> Container | None:
        """Return a container that waits for just such a job, with the job's files in it.

        Raises
        ------
        OSError
            The files could not be moved, so that the job can't be run at all.
        """
        ready = self._yielded()
        if ready is None:
            return None
        if not ready.suits(order):
            self._discard(ready)
            return None
        try:
            ready.move_in(order)
        except OSError:
            self._discard(ready)
            raise
        return ready.container

    def prepare(self, order: ContainerOrder) -> None:
        """Have a container wait for the next job like this one; blocks until it does."""
        with self._lock:
            wanted = waitable(order) and not (self._closed or self._making or self._ready)
            if not wanted:
                return
            self._making = True
        made = None
        with contextlib.suppress(EngineGone, EngineRefusal, OSError):
            made = self._make(order)
        with self._lock:
            self._making = False
            if made is not None and not self._closed:
                self._ready = made
                self._expect_end(made)
                return
        if made is not None:
            self._discard(made)

    def _expect_end(self, made: Prepared) -> None:
        self._end = threading.Timer(self._life_s, self._expire, (made,))
        self._end.daemon = True
        self._end.start()

    def _expire(self, made: Prepared) -> None:
        """Remove what has waited long enough; what a job has taken is that job's."""
        with self._lock:
            if self._ready is not made:
                return
            self._ready = None
        self._discard(made)

    def close(self) -> None:
        """Remove what waits, and prepare no more."""
        with self._lock:
            self._closed = True
        ready = self._yielded()
        if ready is not None:
            self._discard(ready)

    def _yielded(self) -> Prepared | None:
        with self._lock:
            ready, self._ready = self._ready, None
            if self._end is not None:
                self._end.cancel()
        return ready

    def _make(self, order: ContainerOrder) -> Prepared:
        directory = tempfile.mkdtemp(prefix=PREFIX, dir=os.path.dirname(order.root))
        try:
            places = _places(directory)
            for place in (places.input, places.output, places.work):
                os.mkdir(place, 0o700)
            name = self._ledger.name(order.engine)
            with self._ledger.kept(name):
                made = Container.waiting(EngineAPI(order.engine), name, order, self._owner, places)
        except BaseException:
            with contextlib.suppress(OSError):
                remove_tree(Path(directory))
            raise
        return Prepared(made, order, directory)

    def _discard(self, made: Prepared) -> None:
        self._ledger.remove(made.container)
        made.discard()


def waitable(order: ContainerOrder) -> bool:
    """Whether a container can wait for such a job: the image's Python is started directly."""
    return (
        order.prepare
        and order.same_kernel
        and not order.entrypoint
        and not order.relabel
        and order.argv[0] in PYTHONS
    )


def _places(directory: str) -> Places:
    return Places(*(os.path.join(directory, name) for name in ("input", "output", "job")))
