"""Sum up a large CSV of sales by region, product and month, row by row, in little memory."""

import csv
import json
import os
from collections import Counter
from pathlib import Path

sales = Path(os.environ["INPUT_DIR"], "sales.csv")

rows = 0
cents_by: dict[str, Counter[str]] = {"region": Counter(), "product": Counter(), "month": Counter()}
units_by_product: Counter[str] = Counter()

with sales.open(encoding="ascii", newline="") as lines:
    table = csv.reader(lines)
    next(table)
    for _order_id, day, region, product, quantity, unit_price, _payment in table:
        units = int(quantity)
        # Money is counted in whole cents: sums of binary fractions would drift.
        cents = units * int(unit_price.replace(".", ""))
        rows += 1
        units_by_product[product] += units
        cents_by["region"][region] += cents
        cents_by["product"][product] += cents
        cents_by["month"][day[:7]] += cents

totals = {
    "bytes_read": sales.stat().st_size,
    "rows": rows,
    "revenue_cents": cents_by["region"].total(),
    "units_by_product": dict(sorted(units_by_product.items())),
    "cents_by": {name: dict(sorted(sums.items())) for name, sums in cents_by.items()},
}
target = Path(os.environ["OUTPUT_DIR"], "totals.json")
target.write_text(json.dumps(totals, indent=2) + "\n", encoding="utf-8")
print(f"{rows} rows, revenue {totals['revenue_cents'] / 100:.2f}")
