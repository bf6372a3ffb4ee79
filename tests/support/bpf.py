"""What the kernel does with a filter of system calls, for machines other than ours too."""

from __future__ import annotations

import struct

#: AUDIT_ARCH_* of linux/audit.h, and that of 32-bit programs on x86-64.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
#: Answers, of linux/seccomp.h.
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
#: Operations, of linux/bpf_common.h; what jumps are decided by.
LOAD, AND, RETURN = 0x20, 0x54, 0x06
JUMPS = {
    0x15: lambda held, value: held == value,
    0x25: lambda held, value: held > value,
    0x35: lambda held, value: held >= value,
    0x45: lambda held, value: bool(held & value),
}
INSTRUCTION = "=HBBI"


def run(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Return a filter's answer to a call."""
    return _trace(program, architecture, number, arguments)[0]


def steps(program: bytes, number: int) -> int:
    """Return how many instructions a filter of ours runs for a call without arguments."""
    right = struct.unpack_from(INSTRUCTION, program, struct.calcsize(INSTRUCTION))[3]
    return _trace(program, right, number, ())[1]


def _trace(
    program: bytes, architecture: int, number: int, arguments: tuple[int, ...]
) -> tuple[int, int]:
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    words = [argument & 0xFFFF_FFFF_FFFF_FFFF for argument in padded]
    data = struct.pack("<IIQ6Q", number & 0xFFFF_FFFF, architecture, 0, *words)
    code = list(struct.iter_unpack(INSTRUCTION, program))
    held, at, taken = 0, 0, 0
    while True:
        operation, if_so, if_not, operand = code[at]
        at, taken = at + 1, taken + 1
        if operation == RETURN:
            return operand, taken
        if operation == LOAD:
            (held,) = struct.unpack_from("<I", data, operand)
        elif operation == AND:
            held &= operand
        else:
            at += if_so if JUMPS[operation](held, operand) else if_not
