"""`python -m node3nb`."""

import sys

from node3nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
