import threading
import time


def late():
    time.sleep(0.2)
    print("after main", threading.main_thread().is_alive(), len(threading.enumerate()))


threading.Thread(target=late, name="late").start()
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("main ends")
