import subprocess
import sys

writer = "held = open('held', 'w'); held.write('flushed'); cycle = [held]; cycle.append(cycle)"
subprocess.run([sys.executable, "-c", writer], check=True)
print(open("held").read())
