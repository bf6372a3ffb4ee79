"""System calls by name, and modules that load where there are none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.forked import linux_only

from node3nb.supervisor.kernel import calls
from node3nb.supervisor.kernel.calls import call
from node3nb.supervisor.kernel.syscall_numbers import numbers

MODULES = ("calls", "capabilities", "namespaces", "mounts", "landlock", "seccomp")
#: Loads the modules on what says it is macOS; what Linux alone has is not asked for.
ELSEWHERE = f"""
import os, sys
class Uname:
    sysname, machine = "Darwin", "arm64"
os.uname = Uname
sys.path.insert(0, sys.argv[1])
from node3nb.supervisor.kernel import {", ".join(MODULES)}
print(landlock.abi(), seccomp.available())
"""
ROOT = Path(__file__).parents[2]


@linux_only
def test_an_answer() -> None:
    assert call("prctl", 3, 0, 0, 0, 0) in {0, 1, 2}  # PR_GET_DUMPABLE


@linux_only
def test_an_error() -> None:
    with pytest.raises(OSError, match="umount2 /nowhere") as caught:
        call("umount2", b"/nowhere", 1 << 30, subject="/nowhere")
    assert caught.value.errno == errno.EINVAL


def test_a_call_that_is_not_there() -> None:
    with pytest.raises(OSError, match="no_such_call") as caught:
        call("no_such_call")
    assert caught.value.errno == errno.ENOSYS


def test_numbers_are_not_used_twice() -> None:
    for machine in ("x86_64", "aarch64"):
        known = numbers(machine)
        assert len(set(known.values())) == len(known)


def test_an_unknown_machine_has_no_numbers() -> None:
    assert numbers("riscv64") == {}


def test_the_modules_load_elsewhere() -> None:
    command = [sys.executable, "-I", "-S", "-c", ELSEWHERE, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.stderr) == ("0 False\n", "")


@linux_only
def test_this_machine_is_known() -> None:
    assert calls.NUMBERS == numbers(os.uname().machine) != {}
