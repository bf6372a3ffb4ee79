"""Memory in which what is made at one time lies together.

A fork copies a page when it first writes to it, be it a count of references.  What was freed since
the interpreter started has left gaps all over its memory; once they are filled, what is made next
lies side by side, and a fork that uses it copies fewer pages.  That costs memory once, and nothing
that forks share costs more than once.
"""

from __future__ import annotations

#: Sizes, in bytes, of what Python's own allocator deals out from pools, each for one size
#: (Objects/obmalloc.c): a pool's size, and where its first block is.
SMALL = range(48, 513, 16)
POOL_BYTES, FIRST_BLOCK = 1 << 14, 48
#: Bytes of a bytes object beside its content.
HEAD_BYTES = (b"").__sizeof__()
#: Blocks of a size after which its gaps are taken for filled.
MOST_BLOCKS = 4096
#: Larger sizes, which are the C library's to deal out, and blocks made of each.
LARGE = (*range(528, 1024, 16), *range(1024, 8192, 256))
LARGE_BLOCKS = 16

_filling: list[bytes] = []


def fill() -> None:
    """Fill the gaps there are, for good."""
    for size in SMALL:
        for _ in range(MOST_BLOCKS):
            block = bytes(size - HEAD_BYTES)
            _filling.append(block)
            if id(block) % POOL_BYTES == FIRST_BLOCK:
                break
    for size in LARGE:
        _filling.extend(bytes(size) for _ in range(LARGE_BLOCKS))
