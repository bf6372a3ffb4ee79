"""A process of the owner's, with a secret in its memory, its environment and an open file."""

import ctypes
import json
import os
import signal
import sys

#: Seconds after which it ends, should its test be gone.
LIFE_S = 100
PR_SET_PDEATHSIG = 1
#: From linux/prctl.h: Yama is not what these tests are about.
PR_SET_PTRACER, PR_SET_PTRACER_ANY = 0x59616D61, ctypes.c_ulong(-1)


def main(noted: str) -> None:
    """Stay, and note the signal of the attack in a file."""
    signal.alarm(LIFE_S)
    signal.signal(signal.SIGURG, lambda *_: os.close(os.open(noted, os.O_CREAT | os.O_WRONLY)))
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    secrets = json.loads(sys.stdin.readline())
    memory = ctypes.create_string_buffer(secrets["memory"].encode())
    descriptor = os.memfd_create("secret")
    os.write(descriptor, secrets["descriptor"].encode())
    told = {"pid": os.getpid(), "address": ctypes.addressof(memory), "descriptor": descriptor}
    print(json.dumps(told), flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
