"""What the first process of bubblewrap's sandbox has let go of before there is a job."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import NoReturn

from support.forked import STRANGER, error_of, forked, linux_only

from node3nb.supervisor.frames import encode
from node3nb.supervisor.sandbox import within
from node3nb.supervisor.sandbox.inner import Ends

pytestmark = linux_only
#: From linux/prctl.h: whether others may read the memory and the descriptors of a process.
PR_GET_DUMPABLE = 3


class _Forks(Exception):
    """The job's process would begin here."""


def test_the_way_out_is_closed_before_there_is_a_job() -> None:
    def begun() -> tuple[int, int]:
        place = os.open("/", os.O_PATH)
        described, describing = os.pipe()
        os.write(describing, encode({"setup": {}}))
        within.os.fork = _fork  # in this child alone
        try:
            within.begin(place, described, Ends(1, 2, 1, 0), 1)
        except _Forks:
            shown = ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
            return error_of(lambda: os.fstat(place)), shown
        raise AssertionError("nothing was forked")

    assert forked(begun, uid=STRANGER) == (errno.EBADF, 0)


def _fork() -> NoReturn:
    raise _Forks
