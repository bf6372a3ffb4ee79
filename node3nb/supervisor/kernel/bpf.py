"""Filters of system calls, put together from one answer for each call.

A filter is a program the kernel runs before every system call (Documentation/userspace-api/
seccomp_filter.rst). Calls are looked up by halving, so that a list twice as long costs one step
more: when the call is made, and when the kernel works out beforehand what is always allowed.
"""

from __future__ import annotations

import itertools
import operator
import struct

#: A `struct sock_filter` (linux/filter.h): operation, instructions to skip if it holds and if it
#: does not, operand.
_INSTRUCTION = "=HBBI"
#: Bytes of an instruction.
LENGTH = struct.calcsize(_INSTRUCTION)
#: Operations: sums of the parts named in linux/bpf_common.h.
_LOAD = 0x00 | 0x00 | 0x20  # BPF_LD | BPF_W | BPF_ABS
_MASK = 0x04 | 0x50  # BPF_ALU | BPF_AND
_JUMP_IF_EQUAL = 0x05 | 0x10  # BPF_JMP | BPF_JEQ
_JUMP_IF_AT_LEAST = 0x05 | 0x30  # BPF_JMP | BPF_JGE
_RETURN = 0x06  # BPF_RET | BPF_K
#: What is looked at, a `struct seccomp_data` (linux/seccomp.h): where the call's number, its
#: architecture and its first argument are, and how long an argument is.
_NUMBER, _ARCHITECTURE, _ARGUMENTS, _ARGUMENT_LENGTH = 0, 4, 16, 8
#: The part of an argument that is looked at, all of an `int`; it comes first on these machines.
_WORD = 0xFFFF_FFFF
#: `SECCOMP_RET_*` of linux/seccomp.h; an error's number is added to the last.
KILL_PROCESS, _RET_ALLOW, _RET_ERRNO = 0x8000_0000, 0x7FFF_0000, 0x0005_0000


def _instruction(operation: int, operand: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack(_INSTRUCTION, operation, if_so, if_not, operand)


#: The answer that lets a call be made.
ALLOW = _instruction(_RETURN, _RET_ALLOW)


def refuse(error: int) -> bytes:
    """Return the answer that fails a call with an error."""
    return _instruction(_RETURN, _RET_ERRNO | error)


def among(
    argument: int,
    values: tuple[int, ...],
    then: bytes,
    otherwise: bytes,
    mask: int = _WORD,
    *,
    upper: bool = False,
) -> bytes:
    """Return the answer that depends on an argument of the call.

    Parameters
    ----------
    argument
        Which, from 0.
    values
        What it is compared to.
    then, otherwise
        Answers for one of them, and for anything else.
    mask
        The bits that are compared.
    upper
        Whether to look at the upper half of the argument, all of which only a pointer has.
    """
    where = _ARGUMENTS + argument * _ARGUMENT_LENGTH + upper * _ARGUMENT_LENGTH // 2
    code = [_instruction(_LOAD, where)]
    if mask != _WORD:
        code.append(_instruction(_MASK, mask))
    for left, value in zip(reversed(range(len(values))), values, strict=True):
        code.append(_instruction(_JUMP_IF_EQUAL, value, left + len(otherwise) // LENGTH))
    return b"".join((*code, otherwise, then))


def null(argument: int, then: bytes, otherwise: bytes) -> bytes:
    """Return the answer that depends on whether an argument, a pointer, is null."""
    return among(argument, (0,), among(argument, (0,), then, otherwise, upper=True), otherwise)


def assemble(architecture: int, answers: dict[int, bytes], last: int, beyond: bytes) -> bytes:
    """Return the filter that gives the answers.

    Parameters
    ----------
    architecture
        `AUDIT_ARCH_*`; whoever makes a call of another one is killed.
    answers
        Answer to each call, by number; every other call is allowed.
    last, beyond
        The highest number of all calls, and the answer to those above.
    """
    right_machine = (
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_IF_EQUAL, architecture, 1),
        _instruction(_RETURN, KILL_PROCESS),
    )
    number = _instruction(_LOAD, _NUMBER)
    return b"".join((*right_machine, number, _halved(_ranges(answers, last, beyond))))


def _ranges(answers: dict[int, bytes], last: int, beyond: bytes) -> list[tuple[int, bytes]]:
    """Return where another answer begins, and which."""
    begins = {0: ALLOW}
    for number in sorted(answers):
        begins[number] = answers[number]
        begins[number + 1] = ALLOW
    begins[last + 1] = beyond
    same = itertools.groupby(begins.items(), key=operator.itemgetter(1))
    return [next(items) for _, items in same]


def _halved(ranges: list[tuple[int, bytes]]) -> bytes:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, rest = _halved(ranges[:middle]), _halved(ranges[middle:])
    return _instruction(_JUMP_IF_AT_LEAST, ranges[middle][0], len(below) // LENGTH) + below + rest
