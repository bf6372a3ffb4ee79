"""Write a leap year of sales, 53 MB of CSV, the same on every machine."""

import sys
from datetime import date, timedelta
from pathlib import Path

ROWS = 790_000
REGIONS = ("northern", "eastern", "southern", "western")
PRODUCTS = ("apples", "bread", "cheese", "dates", "eggs", "flour", "grapes", "honey")
PAYMENTS = ("card", "cash", "transfer", "voucher")
DAYS = [(date(2024, 1, 1) + timedelta(days=day)).isoformat() for day in range(366)]
PRICES = [f"{cents // 100}.{cents % 100:02d}" for cents in range(1, 5001)]
MASK = (1 << 64) - 1

state = 20240101
with Path(sys.argv[1], "sales.csv").open("w", encoding="ascii", newline="\n") as out:
    out.write("order_id,day,region,product,quantity,unit_price,payment\n")
    for _ in range(ROWS):
        # A linear congruential generator (Knuth's MMIX constants); its high bits are the good ones.
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        out.write(
            f"order-{state:020d},{DAYS[(state >> 20) % 366]},{REGIONS[state >> 62]},"
            f"{PRODUCTS[state >> 59 & 7]},{(state >> 50) % 9 + 1},"
            f"{PRICES[(state >> 32) % 5000]},{PAYMENTS[state >> 48 & 3]}\n"
        )
