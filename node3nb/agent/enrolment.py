"""How a provider becomes an agent of a marketplace, and stays one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from node3nb import config
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import Registration

#: Payout address of a provider that has none and is not known by an id yet.
UNCLAIMED = "unclaimed"


class Enrolment:
    """The agent's id and key at one marketplace.

    A key given by the owner is used as it is.  Without one, the key of an earlier registration
    is, or a new one is asked for; it is kept in a file only the owner can read.
    """

    def __init__(
        self, client: MarketplaceClient, key: str, wallet_address: str, gpu_info: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._given = bool(key)
        self._wallet = wallet_address
        self._gpu_info = gpu_info
        #: The marketplace's name for this agent; empty before it is known.
        self.agent_id = ""
        kept = key or config.key("agent", client.url)
        if kept and not key:
            self.agent_id = config.key("agent_id", client.url)
        self._known = bool(kept)
        client.use_key(kept)

    @property
    def wallet_address(self) -> str:
        """Where rewards go: the owner's address, or the agent's id."""
        return self._wallet or self.agent_id or UNCLAIMED

    def ensure(self) -> None:
        """Register unless there is a key.

        Raises
        ------
        MarketplaceError
            The marketplace did not take the registration.
        """
        if not self._known:
            self._register()

    def renew(self) -> bool:
        """Forget a key of our own that is refused; return whether there is hope in a new one."""
        if self._given:
            return False
        self._known = False
        self._client.use_key("")
        return True

    def _register(self) -> None:
        answer = self._client.register(
            Registration(
                wallet_address=self._wallet or UNCLAIMED,
                gpu_model=self._gpu_info["gpu_model"],
                gpu_vendor=self._gpu_info["gpu_vendor"],
                gpu_memory=self._gpu_info["gpu_memory"],
                compute_capability=self._gpu_info["compute_capability"],
            )
        )
        self.agent_id = answer.agent_id
        self._client.use_key(answer.api_key)
        self._known = True
        config.keep_key("agent", self._client.url, answer.api_key)
        config.keep_key("agent_id", self._client.url, answer.agent_id)
