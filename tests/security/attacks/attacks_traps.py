"""Traps in the output directory for whoever reads it; told from what is collected."""

import os
import stat

from attempt import TARGETS, attack, main

OUTPUT = os.environ["OUTPUT_DIR"]
#: More than the collector takes, less than one file of the job may have.
HOLE_BYTES = 1 << 31


@attack
def trap_link() -> None:
    """A symbolic link to the owner's key."""
    os.symlink(TARGETS["home"] + "/.ssh/id_ed25519", OUTPUT + "/trap_link")


@attack
def trap_directory() -> None:
    """A symbolic link to the owner's directory of keys."""
    os.symlink(TARGETS["home"] + "/.ssh", OUTPUT + "/trap_directory")


@attack
def trap_hard_link() -> None:
    """A second name for the owner's key."""
    os.link(TARGETS["home"] + "/.ssh/id_ed25519", OUTPUT + "/trap_hard_link")


@attack
def trap_pipe() -> None:
    """A FIFO, which holds its reader for ever."""
    os.mkfifo(OUTPUT + "/trap_pipe")


@attack
def trap_device() -> None:
    """A device that never ends."""
    os.mknod(OUTPUT + "/trap_device", stat.S_IFCHR | 0o666, os.makedev(1, 5))


@attack
def trap_hole() -> None:
    """A file that claims far more than it holds."""
    with open(OUTPUT + "/trap_hole", "wb") as file:
        file.truncate(HOLE_BYTES)


@attack
def trap_names() -> None:
    """Names that mean something to a terminal, a shell, or another system."""
    for name in (b"trap_names\x1b[2J", b"trap_names\n", b"trap_names\xff", b"trap_names:C\\..\\x"):
        with open(os.fsencode(OUTPUT) + b"/" + name, "w"):
            pass


if __name__ == "__main__":
    main()
