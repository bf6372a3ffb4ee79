import os
import signal
import threading
import time


def interrupt():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)


threading.Thread(target=interrupt).start()
print("main ends")
