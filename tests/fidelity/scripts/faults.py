import ctypes
import faulthandler
import sys

if sys.argv[1] == "enabled":
    faulthandler.enable()
print(faulthandler.is_enabled(), flush=True)
ctypes.string_at(0)
