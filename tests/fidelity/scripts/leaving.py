import atexit
import os

atexit.register(print, "never")
print("never")
os._exit(300 & 0xFF)
