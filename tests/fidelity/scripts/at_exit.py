import atexit
import sys


def say(text):
    print(text)
    if text == "second":
        raise ValueError(text)


for each in ("first", "second", "third"):
    atexit.register(say, each)
atexit.register(lambda: print("in", __name__, sys.argv is not None))
atexit.register(lambda: sys.exit(7))
print("main")
