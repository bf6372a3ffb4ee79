import ctypes

print("python", flush=True)
ctypes.CDLL(None).printf(b"buffered by C\n")
