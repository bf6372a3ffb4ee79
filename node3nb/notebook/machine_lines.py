"""The lines about this machine: what it can do, what its owner has chosen."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from node3nb import config
from node3nb.examination import examine
from node3nb.notebook.answers import Configuration, Doctor
from node3nb.notebook.preferences import Node3
from node3nb.notebook.session import Session


class MachineLines:
    """What a notebook's lines do with the machine it runs on."""

    def __init__(self, session: Session, chosen: Node3) -> None:
        self._session = session
        self._chosen = chosen
        self.obeys: dict[str, Callable[[argparse.Namespace], object]] = {
            "doctor": lambda _: Doctor(examine()),
            "config": self._config,
        }

    def _config(self, _: argparse.Namespace) -> Configuration:
        url = self._session.marketplace_url(None)
        known = [kind for kind in config.KEY_VARIABLES if self._session.key(kind, url, None)]
        choices = {
            name: (value, value != self._chosen.usual(name))
            for name, value in self._chosen.chosen().items()
        }
        return Configuration(
            choices=choices,
            explained=self._chosen.help(),
            marketplace_url=url,
            keys=tuple(known),
            state_dir=str(config.state_dir()),
        )
