"""Count primes on several processes at once and put the counts together in order."""

import json
import multiprocessing
import os
from pathlib import Path

PROCESSES = 3
BLOCK = 25_000
BLOCKS = 8


def is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def count_primes(start: int) -> int:
    return sum(is_prime(number) for number in range(start, start + BLOCK))


def main() -> None:
    starts = range(0, BLOCKS * BLOCK, BLOCK)
    # Spawn works at every isolation level; a fork server needs a socket that some deny.
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        counts = pool.map(count_primes, starts, chunksize=1)
    found = {"block": BLOCK, "primes": counts, "total": sum(counts)}
    target = Path(os.environ["OUTPUT_DIR"], "primes.json")
    target.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"{sum(counts)} primes below {BLOCKS * BLOCK}")


if __name__ == "__main__":
    main()
