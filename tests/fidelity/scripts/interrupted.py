import atexit
import os
import signal
import time

atexit.register(print, "left")
os.kill(os.getpid(), signal.SIGINT)
time.sleep(10)
