import os
import signal
import sys

print("lost unless flushed")
os.kill(os.getpid(), getattr(signal, sys.argv[1]))
