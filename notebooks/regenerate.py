"""Runs every notebook here and writes its outputs back: `python notebooks/regenerate.py`.

An output that nbval does not compare, because ids, times and the like are in it, is kept as it was
when nothing else in it has changed, so that a run without changes writes the same files.
"""

from __future__ import annotations

import copy
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

HERE = Path(__file__).parent
#: Seconds one cell may take.
CELL_S = 120
#: Tag of a cell whose outputs may differ.
IGNORED = "nbval-ignore-output"
#: A display that only a living kernel can fill; what is saved is the static one beside it.
LIVE = "application/vnd.jupyter.widget-view+json"
#: What differs between two runs: numbers, and ids in hexadecimal.
VARIES = re.compile(r"\b[0-9a-f]{12,}\b|[0-9]+(\.[0-9]+)?( [KMG]?i?B)?|[ \t]+")
#: What a notebook says of its kernel: nothing that differs between two machines.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main() -> None:
    """Run the notebooks that are named, or all."""
    named = [Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb"))
    for path in named:
        with tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True) as home:
            os.environ["NODE3_HOME"] = home
            regenerate(path)
        print(f"{path.name}: done")


def regenerate(path: Path) -> None:
    """Run one notebook in a fresh kernel of this very Python and write it back."""
    notebook = nbformat.read(path, as_version=4)
    before = {cell.id: copy.deepcopy(cell) for cell in notebook.cells}
    specs = KernelSpecManager(kernel_dirs=[])
    NotebookClient(
        notebook,
        timeout=CELL_S,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs),
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if LIVE not in each.get("data", {})]
        if IGNORED in cell.metadata.get("tags", []) and _as_before(cell, before[cell.id]):
            cell.outputs = before[cell.id].outputs
    notebook.metadata = nbformat.from_dict(METADATA)
    nbformat.write(notebook, path)


def _as_before(cell: Any, before: Any) -> bool:
    """Return whether the outputs differ by what varies only, and by the order of their lines."""
    return _lines(cell.outputs) == _lines(before.outputs)


def _lines(outputs: list[Any]) -> list[str]:
    texts = [
        text for each in outputs for text in (each.get("text"), *each.get("data", {}).values())
    ]
    told = VARIES.sub("", "\n".join(text for text in texts if isinstance(text, str)))
    return sorted(re.split("\n|<li>|<tr>", VARIES.sub("", told)))


if __name__ == "__main__":
    main()
