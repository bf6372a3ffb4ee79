"""Who sends the jobs of a run, and asks what became of them."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from chaos.jobs import Job

from node3nb.errors import MarketplaceError
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import JobStatus

#: Seconds before a call that failed is made again.
AGAIN_S = 0.2


class Sender:
    """Sends every job once, however often it has to ask.

    Parameters
    ----------
    client
        The marketplace.
    jobs
        What is sent.
    """

    def __init__(self, client: MarketplaceClient, jobs: Sequence[Job]) -> None:
        self._client = client
        self._jobs = jobs
        self._over = threading.Event()
        #: The marketplace's name for each job that has been sent, by its number.
        self.ids: dict[int, str] = {}
        self._thread = threading.Thread(target=self._send_all, name="sender", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether all have been sent."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Send no more."""
        self._over.set()
        self._thread.join()

    def _send_all(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            for job in self._jobs:
                while not self._over.is_set() and not self._sent(job, Path(file.name)):
                    time.sleep(AGAIN_S)

    def _sent(self, job: Job, file: Path) -> bool:
        """Send a job under its own name; return whether it and its input have arrived."""
        try:
            job_id = self.ids[job.number] = self._client.submit(job.wire, f"job {job.number}")
            if job.input is not None and self._client.job(job_id).status == JobStatus.PENDING:
                file.write_bytes(job.input)
                self._client.put_input(job_id, file)
        except MarketplaceError:
            return False
        return True
