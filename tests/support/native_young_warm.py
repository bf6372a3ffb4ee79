"""A supervisor whose warm Pythons bear few sandboxes each: FD OWNER."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from node3nb.supervisor import server
from node3nb.supervisor.warm import nursery

nursery.MOST_BORN = 8
server.main(int(sys.argv[1]), int(sys.argv[2]))
