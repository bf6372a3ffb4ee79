"""A supervisor whose parked keepers end before they have told who they are: FD OWNER."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from node3nb.supervisor import server
from node3nb.supervisor.warm import nursery

nursery.PROGRAM = str(pathlib.Path(__file__).with_name("warm_mute.py"))
server.main(int(sys.argv[1]), int(sys.argv[2]))
