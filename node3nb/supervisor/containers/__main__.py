"""Entry of the process that owns containers: `python -I -S .../__main__.py FD OWNER`.

An isolated interpreter has no path to this package, so the entry lends it one for as long as
its imports take.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[3]))
from node3nb.supervisor.containers.server import main

del sys.path[0]

if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
