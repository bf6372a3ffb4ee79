import ctypes
import os
import site
import subprocess

libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
print(sorted(os.environ.items()), len(os.environb), os.environ is not None)
print(libc.getenv(b"GIVEN"), libc.getenv(b"PATH"), libc.getenv(b"NOTHING"))
print(subprocess.check_output(["env"]).decode().splitlines() == [f"{k}={v}" for k, v in os.environ.items()])
print(os.path.expanduser("~"), os.getcwd(), site.USER_SITE, site.USER_BASE, site.ENABLE_USER_SITE)
