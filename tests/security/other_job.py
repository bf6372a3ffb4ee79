"""Another job: it has secrets of its own, and runs until somebody ends it."""

import os
import signal

#: Seconds after which it ends, should its test be gone.
LIFE_S = 100


def note(*_: object) -> None:
    with open(os.environ["OUTPUT_DIR"] + "/signalled", "w"):
        pass


signal.alarm(LIFE_S)
signal.signal(signal.SIGURG, note)
for path, secret in (
    (os.environ["OUTPUT_DIR"] + "/secret", "OTHER_OUTPUT"),
    (os.environ.get("TMPDIR", "/tmp") + "/secret", "OTHER_TMP"),
):
    with open(path, "w") as file:
        file.write(os.environ[secret])
print("ready", flush=True)
while True:
    signal.pause()
