"""What a notebook and a job carry for each other: named variables, within bounds."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from node3nb.errors import VariableRefused
from node3nb.jobs import JobResult
from node3nb.variables import bundle
from node3nb.variables.bounds import Room, Uncarried
from node3nb.variables.bundle import PLACE
from node3nb.variables.plain import kind

#: The program that such a job begins with.
PROGRAM = "node3-cell.py"
#: Bytes of all variables of one direction together.
MAX_BYTES = 256 << 20

#: Modules that travel with a job, in the order they need each other.
PARTS = ("bounds", "plain", "flatbuffer", "streams", "arrays", "tables", "bundle")


@dataclass(frozen=True, slots=True)
class Luggage:
    """The variables one job gets and gives."""

    #: Names of those it gets.
    into: tuple[str, ...] = ()
    #: Names of those it gives.
    out: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.into or self.out)

    def files(self) -> dict[str, str]:
        """Return the files that the job needs beside its cell, by name."""
        here = resources.files(__package__)
        parts = {f"node3-{part}.py": (here / f"{part}.py").read_text("utf-8") for part in PARTS}
        told = json.dumps({"in": self.into, "out": self.out, "bytes": MAX_BYTES, "parts": PARTS})
        program = (here / "runner.py").read_text("utf-8")
        return {PROGRAM: program, "node3-variables.json": told, **parts}

    def pack(self, names: Mapping[str, Any], input_dir: Path) -> None:
        """Write the variables the job gets below its input.

        Raises
        ------
        VariableRefused
            One is not there, or can't be carried.
        """
        if not self.into:
            return
        place = input_dir / PLACE
        place.mkdir(mode=0o700)
        room = Room(MAX_BYTES)
        for number, name in enumerate(self.into):
            if name not in names:
                raise VariableRefused(f"--in {name}: {_missing(name, names)}")
            try:
                bundle.write(names[name], str(place), number, room)
            except Uncarried as error:
                told = f"--in {name}: this {kind(names[name])} {error}."
                raise VariableRefused(told) from None
            except OSError as error:
                told = f"--in {name}: it can't be written ({error.strerror}); make room there."
                raise VariableRefused(told) from error

    def besides(self, result: JobResult) -> JobResult:
        """Return a result without the variables among its outputs; a failure says it gave none."""
        mine = f"{PLACE}/"
        others = tuple(each for each in result.outputs if not each.path.startswith(mine))
        told = result.message
        if self.out and not result.ok:
            stay = "is as it was" if len(self.out) == 1 else "are as they were"
            told = f"{told} The job gave nothing: {', '.join(self.out)} {stay} before.".strip()
        return replace(result, outputs=others, message=told)

    def unpack(self, output_dir: Path) -> dict[str, Any]:
        """Return the variables the job gave, from below its outputs; nothing there is trusted.

        Raises
        ------
        VariableRefused
            One can't be taken from what is there.
        """
        room, values = Room(MAX_BYTES), {}
        for number, name in enumerate(self.out):
            try:
                values[name] = bundle.read(str(output_dir / PLACE), number, room)
            except (Uncarried, OSError) as error:
                told = f"--out {name}: what the job wrote {error}; the notebook's is unchanged."
                raise VariableRefused(told) from None
        return values


def _missing(name: str, names: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, [each for each in names if each[:1] != "_"], n=1)
    hint = f"; did you mean {near[0]}?" if near else "; give it a value first."
    return f"the notebook has no such variable{hint}"
