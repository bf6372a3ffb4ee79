import random
import sys

import socket
import threading

print(random.whose, socket.whose, hasattr(threading, "whose"), sys.path[0])
