"""The warm Python's process: `python .../warm/__main__.py SUPERVISOR [MODULE ...]`.

An ordinary interpreter that has done what every Python does at its start, and forks a keeper
whenever the supervisor asks.  Of everything here only the last line runs in a job's process.
"""

import os.path
import sys

sys.path.insert(0, os.path.abspath(__file__ + "/../../../.."))
from node3nb.supervisor.warm import gaps

if __name__ == "__main__":
    gaps.fill()  # before anything is made that every fork uses

from node3nb.supervisor.warm import births, script

del sys.path[:2]

if __name__ == "__main__":
    births.prepare(int(sys.argv[1]), tuple(sys.argv[2:]))
    script.run(*births.serve())
