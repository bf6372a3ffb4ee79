"""What values may take of their reader: bytes of files, memory, and time spent on hashing.

Travels with the job too: only the standard library.
"""

from __future__ import annotations

#: Bytes of memory that values may take for each byte that their files may have.
MEMORY_PER_BYTE = 4
#: Keys of one dictionary whose hash its writer can foresee.
MAX_FORESEEN = 20_000


class Uncarried(Exception):
    """A value can't be carried; the message says why, as a sentence without its subject."""


class Room:
    """What all values of one direction may take together.

    Parameters
    ----------
    most
        Bytes of their files.
    """

    def __init__(self, most: int) -> None:
        self.most = self.left = most
        self._memory = MEMORY_PER_BYTE * most
        # Whoever knows the hashes can have every key compared with every other.
        self._comparisons = MAX_FORESEEN**2

    def take(self, count: int) -> None:
        """Count bytes of files.

        Raises
        ------
        Uncarried
            There is no more room.
        """
        self.left -= count
        if self.left < 0:
            raise Uncarried(f"does not fit into the {self.most >> 20} MiB that may be carried")

    def grow(self, count: int) -> None:
        """Count bytes of memory, before they are used.

        Raises
        ------
        Uncarried
            There is no more.
        """
        self._memory -= count
        if self._memory < 0:
            told = f"could take more than {MEMORY_PER_BYTE * self.most >> 20} MiB of memory"
            raise Uncarried(f"{told}; carry less, or arrays")

    def foresee(self, count: int) -> None:
        """Count what goes into one hash table under hashes that are no secret, before it does.

        Raises
        ------
        Uncarried
            It could keep its reader for long.
        """
        self._comparisons -= count**2
        if self._comparisons < 0:
            told = f"has more than {MAX_FORESEEN} keys, labels or categories that anybody can"
            raise Uncarried(f"{told} make collide; use text for keys, or columns without an index")
