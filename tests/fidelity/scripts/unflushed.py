import os
import sys

sys.stdout.write("a" * 10_000)
os.write(1, b"direct")
sys.stderr.write("no newline")
print("b" * 10, end="")
held = open("held", "w")
held.write("flushed at the end")
