import atexit
import sys

atexit.register(sys.stderr.write, "exit functions run\n")
print("to nobody")
if "flush" in sys.argv:
    sys.stdout.flush()
