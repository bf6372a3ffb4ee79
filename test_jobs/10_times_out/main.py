"""Count steps for longer than the job's time limit allows.

It ends by itself after a minute, with exit code 0, so that it can't hang where nothing
enforces the limit.
"""

import time

for step in range(1, 241):
    print(f"step {step}", flush=True)
    time.sleep(0.25)
