"""`%config Node3`: what the owner likes of a cell's job and of the provider, unless a line says."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from traitlets import Bool, Enum, Float, Int, TraitError, Unicode, validate
from traitlets.config import Configurable

from node3nb.errors import ConfigError
from node3nb.jobs import Isolation, Network
from node3nb.sizes import parse_bytes, parse_seconds


class Node3(Configurable):  # type: ignore[misc, unused-ignore]
    """Choices for `%node3`; no key is ever one of them.

    A widget's state and a configuration are written into files, so that keys come from the
    environment or from a file that only its owner can read.
    """

    marketplace = Unicode("", help="URL of the marketplace; empty is the usual one").tag(
        config=True
    )
    memory = Unicode("", help="memory a cell's job may use, like 1G").tag(config=True)
    disk = Unicode("", help="disk a cell's job may use, like 1G").tag(config=True)
    timeout = Unicode("", help="time a cell's job may take, like 90 or 5m").tag(config=True)
    cpus = Float(0.0, help="cores a cell's job may use; 0 is the usual one").tag(config=True)
    network = Enum([str(each) for each in Network], "none", help="network a cell's job sees").tag(
        config=True
    )
    isolation = Enum(
        ["", *(str(each) for each in Isolation)],
        "",
        help="weakest isolation a cell's job accepts; empty is any",
    ).tag(config=True)
    slots = Int(0, help="jobs a provider runs at once; 0 is half the cores").tag(config=True)
    native_only = Bool(False, help="whether a provider looks for no container engine").tag(
        config=True
    )
    keep_alive = Bool(False, help="whether running jobs keep an idle server from ending us").tag(
        config=True
    )
    keep_alive_s = Float(30.0, help="seconds between two signs of life").tag(config=True)
    progress_after_s = Float(2.0, help="seconds before a job shows its progress; 0 is never").tag(
        config=True
    )

    @validate("memory", "disk")
    def _size(self, proposal: dict[str, Any]) -> str:
        return _checked(parse_bytes, proposal)

    @validate("timeout")
    def _duration(self, proposal: dict[str, Any]) -> str:
        return _checked(parse_seconds, proposal)

    @validate("cpus", "slots", "keep_alive_s", "progress_after_s")
    def _not_negative(self, proposal: dict[str, Any]) -> float:
        value: float = proposal["value"]
        least = 0.1 if proposal["trait"].name == "keep_alive_s" else 0
        if not least <= value < float("inf"):
            raise TraitError(f"Node3.{proposal['trait'].name}: give a number from {least:g} on.")
        return value

    def fill(self, args: argparse.Namespace) -> None:
        """Give what a line leaves open the value of these choices."""
        sizes = {"memory": parse_bytes, "disk": parse_bytes, "timeout": parse_seconds}
        for name, value in vars(args).items():
            if value is not None or not self.has_trait(name):
                continue
            chosen = getattr(self, name)
            if chosen:
                setattr(args, name, sizes[name](chosen) if name in sizes else chosen)

    def chosen(self) -> dict[str, Any]:
        """Return every choice by its name."""
        return {name: getattr(self, name) for name in self.class_trait_names(config=True)}

    def usual(self, name: str) -> Any:
        """Return what a choice is unless it is made."""
        return self.class_traits()[name].default()

    def help(self) -> dict[str, str]:
        """Return what each is for."""
        traits = self.class_traits(config=True)
        return {name: str(trait.help) for name, trait in traits.items()}


def _checked(read: Callable[[str], object], proposal: dict[str, Any]) -> str:
    text: str = proposal["value"]
    if text:
        try:
            read(text)
        except ConfigError as error:
            raise TraitError(f"Node3.{proposal['trait'].name}: {error}") from None
    return text
