"""Calls to a marketplace as its administrator makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from node3nb.errors import ConfigError
from node3nb.job_checks import printable
from node3nb.marketplace.client.answers import read_as
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.keys import Role
from node3nb.marketplace.pages import KeyAsked, KeyPage, KeyView, NewKey

#: Keys asked for at once.
PAGE = 500


class AdminClient(MarketplaceClient):
    """A marketplace, as its administrator."""

    def make_key(self, asked: KeyAsked) -> NewKey:
        """Make a key; it is in the answer and nowhere else."""
        return self._post("/api/admin/keys", asked, NewKey)

    def keys(self, role: Role | None = None) -> Iterator[KeyView]:
        """Yield what the marketplace remembers of its keys, youngest first."""
        query = {"limit": str(PAGE)} | ({} if role is None else {"role": str(role)})
        while True:
            page = read_as(KeyPage, self._call("GET", "/api/admin/keys", params=query))
            yield from page.keys
            if not page.cursor or not page.keys:
                return
            query["cursor"] = page.cursor

    def revoke_key(self, key_id: str) -> KeyView:
        """Make a key invalid at once."""
        return self._post(f"/api/admin/keys/{_checked(key_id)}/revoke", None, KeyView)

    def rotate_key(self, key_id: str) -> NewKey:
        """Make a key in the place of another, which is revoked."""
        return self._post(f"/api/admin/keys/{_checked(key_id)}/rotate", None, NewKey)


def _checked(key_id: str) -> str:
    """Return the name of a key; a key itself must not get into a URL.

    Raises
    ------
    ConfigError
        It is none.
    """
    if not re.fullmatch("[0-9a-f]{16}", key_id):
        told = "" if "_" in key_id else f": {printable(key_id)}"
        raise ConfigError(f"That is no name of a key{told}; `list` shows their names.")
    return key_id
