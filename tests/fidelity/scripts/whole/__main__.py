"""How it is run."""
import os
import sys

from . import __doc__ as described
from .inner import deep

print(described, __name__, __package__, __spec__.name, __spec__.parent, os.path.basename(__file__), __doc__)
print(sys.argv, sys.path[0], deep.where, list(globals()))
if "fail" in sys.argv:
    raise ValueError("as asked")
