import sys
import threading


def fail():
    raise ValueError("in a thread")


for target in (fail, sys.exit, lambda: sys.exit("ignored")):
    thread = threading.Thread(target=target, name="named")
    thread.start()
    thread.join()
print("main is fine")
