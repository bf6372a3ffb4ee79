"""Signs of life: an idle notebook server does not end a kernel whose jobs still run.

A server takes a kernel for idle that has published nothing for a while and is not busy with a
cell (jupyter_server, `MappingKernelManager.cull_kernel_if_idle`): a provider's jobs run in other
processes and publish nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

#: A display that no page has: every frontend takes note of the message and shows nothing.
_NOWHERE = "node3nb-keep-alive"


class KeepAlive:
    """A thread that publishes next to nothing, as long as there is work.

    Parameters
    ----------
    kernel
        The kernel to keep; None has nobody who would end it.
    working
        Returns whether there is work.
    every_s
        Seconds between two signs of life.
    """

    def __init__(self, kernel: Any, working: Callable[[], bool], every_s: float) -> None:
        self._kernel = kernel
        self._working = working
        self._every_s = every_s
        self._over = threading.Event()
        if kernel is not None:
            thread = threading.Thread(target=self._live, name="node3nb-keep-alive", daemon=True)
            thread.start()

    def stop(self) -> None:
        """Give no more signs."""
        self._over.set()

    def _live(self) -> None:
        while not self._over.wait(self._every_s):
            if self._working():
                self._publish()

    def _publish(self) -> None:
        # With no parent it belongs to no cell, so that nothing shows it and nothing stores it.
        content = {"data": {}, "metadata": {}, "transient": {"display_id": _NOWHERE}}
        self._kernel.session.send(
            self._kernel.iopub_socket, "update_display_data", content, parent={}
        )
