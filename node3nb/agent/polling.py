"""Asking a marketplace for jobs, in the longest form it understands."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from node3nb.agent.quota import LiveQuota
from node3nb.agent.settings import Settings
from node3nb.errors import MarketplaceRejected
from node3nb.hardware import gpu_info as described
from node3nb.jobs import Isolation
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import AvailableQuery

#: An empty answer before this share of the wait has passed is that of a peer without long polls.
PROMPT_SHARE = 0.5


#: What a poll says of the machine's GPU.
GPU_FIELDS = (
    "gpu_model",
    "gpu_vendor",
    "gpu_type",
    "compute_framework",
    "gpu_memory",
    "compute_capability",
)


@dataclass(frozen=True, slots=True)
class Offers:
    """What one poll brought."""

    #: Jobs as they came, unread.
    jobs: list[Any]
    #: Whether the peer held the call open while it had none.
    waited: bool


class Polling:
    """Polls one marketplace on behalf of one machine; blocking."""

    def __init__(
        self,
        client: MarketplaceClient,
        settings: Settings,
        quota: LiveQuota,
        gpu_info: Mapping[str, Any],
    ) -> None:
        self._client = client
        self._settings = settings
        self._quota = quota
        self._gpu_info = gpu_info
        self._base_only = False

    def poll(self, free_slots: int, isolation: Isolation | None, executors: list[str]) -> Offers:
        """Ask once; a marketplace that refuses our longer form gets the base one from then on."""
        started = time.monotonic()
        try:
            jobs = self._client.available(self._query(free_slots, isolation, executors))
        except MarketplaceRejected:
            if self._base_only:
                raise
            jobs = self._client.available(self._base_query())
            self._base_only = True
        took_s = time.monotonic() - started
        patient = took_s >= self._settings.wait_s * PROMPT_SHARE
        return Offers(jobs, waited=patient and not self._base_only)

    def _base_query(self) -> AvailableQuery:
        quota = self._quota.now
        gpu = self._gpu_info if quota.gpus or not self._quota.most.gpus else described(())
        return AvailableQuery(
            **{name: gpu[name] for name in GPU_FIELDS},
            max_concurrent_jobs=quota.slots,
        )

    def _query(
        self, free_slots: int, isolation: Isolation | None, executors: list[str]
    ) -> AvailableQuery:
        base = self._base_query()
        if self._base_only:
            return base
        return AvailableQuery(
            **base.model_dump(exclude_unset=True),
            wait_s=self._settings.wait_s,
            isolation=isolation,
            executors=executors,
            cpu_count=self._quota.now.cpus,
            memory_bytes=self._quota.now.memory_bytes,
            free_slots=free_slots,
        )
