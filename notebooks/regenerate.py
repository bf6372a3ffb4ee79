"""Runs every notebook here and writes its outputs back: `python notebooks/regenerate.py`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

HERE = Path(__file__).parent
#: Seconds one cell may take.
CELL_S = 120
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
    specs = KernelSpecManager(kernel_dirs=[])
    NotebookClient(
        notebook,
        timeout=CELL_S,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs),
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
