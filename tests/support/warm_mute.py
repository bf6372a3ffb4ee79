"""A warm Python whose keepers end before they have told who they are; a file has their numbers."""

import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
from node3nb.supervisor import keeper_process
from node3nb.supervisor.warm import births

SUPERVISOR = int(sys.argv[1])
NUMBERS = pathlib.Path(tempfile.gettempdir()) / f"n3-mute-{SUPERVISOR}"


def end(*_: object) -> None:
    with NUMBERS.open("a") as file:
        file.write(f"{os.getpid()}\n")
    os._exit(keeper_process.FAILED)


keeper_process.keep = end
births.prepare(SUPERVISOR, ())
births.serve()
