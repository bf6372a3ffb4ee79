"""Another job: it has secrets of its own, and runs until somebody ends it."""

import os
import signal

#: Seconds after which it ends, should its test be gone.
LIFE_S = 100


signal.alarm(LIFE_S)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
for path, secret in (
    (os.environ["OUTPUT_DIR"] + "/secret", "OTHER_OUTPUT"),
    (os.environ.get("TMPDIR", "/tmp") + "/secret", "OTHER_TMP"),
):
    with open(path, "w") as file:
        file.write(os.environ[secret])
print("ready", flush=True)
while True:
    sender = signal.sigwaitinfo({signal.SIGURG}).si_pid
    with open(os.environ["OUTPUT_DIR"] + "/signalled", "a") as notes:
        notes.write(f"from process {sender};")
