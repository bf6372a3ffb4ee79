"""How a provider becomes an agent of a marketplace, and stays one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from node3nb import config
from node3nb.agent.settings import Settings
from node3nb.errors import NotInvited
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import Registered, Registration
from node3nb.secret_text import Secret

#: Payout address of a provider that has none and is not known by an id yet.
UNCLAIMED = "unclaimed"
#: Refusals of a key that was never accepted, after which it is given up.
MOST_REFUSALS = 10
#: What is said of an invitation that is none any more.
_REFUSED = (
    "The marketplace refuses the invitation: it is used up, revoked, over, or another's; have its "
    "host make a new one, and set NODE3_INVITATION or name a file that holds it with --keys FILE."
)
#: What a registration says of the machine's GPU.
_TOLD = ("gpu_model", "gpu_vendor", "gpu_memory", "compute_capability")


class Enrolment:
    """The agent's id and key at one marketplace.

    A key given by the owner is used as it is.  Without one, the key of an earlier registration
    is, or a new one is asked for; it is kept in a file only the owner can read.
    """

    def __init__(
        self, client: MarketplaceClient, key: str, settings: Settings, gpu_info: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._given = bool(key)
        self._wallet = settings.wallet_address
        self._invitation = Secret(settings.invitation or config.key("invitation", client.url))
        self._gpu_info = gpu_info
        #: The marketplace's name for this agent; empty before it is known.
        self.agent_id = ""
        kept = key or config.key("agent", client.url)
        if kept and not key:
            self.agent_id = str(config.key("agent_id", client.url))
        self._known = bool(kept)
        self._fresh, self._refusals = False, 0
        self._unkept: Registered | None = None
        client.use_key(kept)

    @property
    def wallet_address(self) -> str:
        """Where rewards go: the owner's address, or the agent's id."""
        return self._wallet or self.agent_id or UNCLAIMED

    def known(self) -> bool:
        """Whether there is a key, not yet refused."""
        return self._known

    def ensure(self) -> bool:
        """Register unless there is a key; return whether that was needed.

        Raises
        ------
        NotInvited
            There is no invitation, or it is refused.
        MarketplaceError
            The marketplace did not take the registration.
        OSError
            The key can't be kept; it is tried again with the same one.
        """
        if self._known:
            return False
        self._register()
        return True

    def accepted(self) -> None:
        """Take note that the marketplace accepts the key."""
        self._fresh, self._refusals = False, 0

    def renew(self) -> bool:
        """Forget a kept key that is refused; return whether there is hope in a new one.

        There is none when the owner gave the key, and little when not even a new one was ever
        accepted: before another is asked for, it is refused some times, further and further apart.
        """
        self._refusals += 1
        if self._given or (self._fresh and self._refusals < MOST_REFUSALS):
            return False
        self._refusals = 0
        self._known = False
        self._client.use_key("")
        return True

    def _register(self) -> None:
        """Become an agent once the key is on the disk: without it, results could not be sent."""
        answer = self._unkept = self._unkept or self._registered()
        kept = {"agent": Secret(answer.api_key), "agent_id": answer.agent_id}
        config.keep_keys(self._client.url, kept)
        self._unkept = None
        self._client.use_key(answer.api_key)
        self.agent_id = answer.agent_id
        self._known = self._fresh = True

    def _registered(self) -> Registered:
        asked = Registration(
            wallet_address=self._wallet or UNCLAIMED,
            **{name: self._gpu_info[name] for name in _TOLD},
        )
        try:
            return self._client.register(asked, self._invitation)
        except NotInvited:
            raise NotInvited(_REFUSED if self._invitation else None) from None
