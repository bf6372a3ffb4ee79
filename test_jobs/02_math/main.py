"""Compute 1000 digits of pi with whole numbers only, and the primes below a million."""

import json
import os
from pathlib import Path

DIGITS = 1000
GUARD_DIGITS = 10
PRIMES_BELOW = 1_000_000


def arctan_of_inverse(x: int, unit: int) -> int:
    power = total = unit // x
    divisor, sign = 3, -1
    while power:
        power //= x * x
        total += sign * (power // divisor)
        divisor, sign = divisor + 2, -sign
    return total


def digits_of_pi(count: int) -> str:
    """Use Machin's formula: pi = 16 arctan(1/5) - 4 arctan(1/239)."""
    unit = 10 ** (count + GUARD_DIGITS)
    pi = 16 * arctan_of_inverse(5, unit) - 4 * arctan_of_inverse(239, unit)
    text = str(pi // 10**GUARD_DIGITS)
    return f"{text[0]}.{text[1:]}"


def primes_below(limit: int) -> list[int]:
    is_prime = bytearray([1]) * limit
    is_prime[0:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return [number for number in range(limit) if is_prime[number]]


output = Path(os.environ["OUTPUT_DIR"])
pi = digits_of_pi(DIGITS)
(output / "pi.txt").write_text(pi + "\n", encoding="utf-8")

primes = primes_below(PRIMES_BELOW)
found = {"below": PRIMES_BELOW, "count": len(primes), "largest": primes[-1], "sum": sum(primes)}
(output / "primes.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

print(f"pi = {pi[:12]}... ends in {pi[-6:]}")
print(f"{len(primes)} primes below {PRIMES_BELOW}")
