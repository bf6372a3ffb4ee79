import os
import threading

main = threading.main_thread()
print(main is threading.current_thread(), main.name, main.ident == threading.get_ident())
print(main.native_id == os.getpid() == threading.get_native_id(), main.daemon, main.is_alive())
print(threading.enumerate() == [main], threading.active_count(), type(main).__name__)
