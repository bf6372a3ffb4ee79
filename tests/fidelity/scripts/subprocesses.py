import os
import subprocess
import sys

os.environ["ADDED"] = "yes"
os.environ.pop("GIVEN")
program = "import os, sys; print(sys.argv, os.environ['ADDED'], 'GIVEN' in os.environ)"
print(subprocess.run([sys.executable, "-c", program, "x"], capture_output=True, text=True))
print(subprocess.run("echo $ADDED; grep SigIgn /proc/self/status; exit 3", shell=True, capture_output=True))
print(subprocess.run(["cat"], input=b"piped", capture_output=True).stdout)
sys.stdout.flush()
print(os.system("echo system $ADDED $GIVEN"))
child = subprocess.Popen(["sleep", "60"])
child.terminate()
print(child.wait())
