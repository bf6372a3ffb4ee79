"""As locked in as without namespaces: `python locked_in.py DIRECTORY PROGRAM ARGUMENT...`.

The program may write in the directory and use its own interpreter; it has no network, no unix
sockets, no files in memory and no System V.
"""

from __future__ import annotations

import os
import sys

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import capabilities, seccomp
from node3nb.supervisor.kernel.landlock import Ruleset

NOTHING = seccomp.Policy(unix_sockets=False, internet=False, memfd=False, system_v=False)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SHOWN = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", sys.prefix, sys.base_prefix)


def confine(directory: str) -> None:
    """Lock this process in."""
    rules = Ruleset(deny_network=True)
    for path in SHOWN:
        rules.allow_executing(path)
    rules.allow_reading("/proc")
    rules.allow_writing("/dev/shm")
    rules.allow_writing(directory)
    for path in DEVICES:
        rules.allow_device(path)
    capabilities.drop_all()
    linux.forbid_new_privileges()
    rules.enforce()
    seccomp.install(seccomp.program(NOTHING))


if __name__ == "__main__":
    confine(sys.argv[1])
    os.chdir(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
