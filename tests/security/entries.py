"""What the table is made of: attacks, the gaps that let them through, and settings."""

from __future__ import annotations

from dataclasses import dataclass

from node3nb.attack_classes import AttackClass


@dataclass(frozen=True, slots=True)
class Setting:
    """Under which circumstances jobs run."""

    #: Isolation level.
    level: str
    #: Whether root runs the provider.
    root: bool
    #: Further protections that are on, as `JobResult.layers` names them.
    layers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gap:
    """Circumstances in which an attack is not stopped."""

    #: Levels it is about.
    levels: tuple[str, ...]
    #: A clause that says why.
    why: str
    #: Whether only root's jobs are concerned (True), only others' (False), or all (None).
    root: bool | None = None
    #: Layers each of which closes the gap.
    unless: frozenset[str] = frozenset()
    #: Whether it is a race, which the job wins at times only.
    race: bool = False

    def holds(self, setting: Setting) -> bool:
        """Return whether the gap is open there."""
        return (
            setting.level in self.levels
            and self.root in {None, setting.root}
            and not self.unless & setting.layers
        )


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack and where it is not stopped."""

    #: Name of its function.
    name: str
    #: The program it is in.
    program: str
    #: What it is an example of.
    kind: AttackClass
    #: Where it is not stopped.
    gaps: tuple[Gap, ...] = ()
    #: What the host must allow by itself for the attack to work at all; empty for nothing.
    needs: str = ""

    def gap(self, setting: Setting) -> Gap | None:
        """Return the gap that is open there, if any."""
        return next((gap for gap in self.gaps if gap.holds(setting)), None)
