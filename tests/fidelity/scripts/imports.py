import importlib
import sys

import __main__
import parts.fine

print(__main__ is sys.modules[__name__], parts.fine.__file__, parts.__path__)
print(importlib.reload(parts).__name__, "parts.fine" in sys.modules)
for name in ("absent", "parts.absent", "node3nb_absent.x"):
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(type(error).__name__, error)
for name in ("csv", "email.mime.text", "xml.etree.ElementTree", "decimal", "zoneinfo", "curses", "ctypes"):
    print(importlib.import_module(name).__name__)
from parts import absent
