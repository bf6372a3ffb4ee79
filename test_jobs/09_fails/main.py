"""Work through some orders, keep what is done, and fail at the one that makes no sense."""

import json
import os
import sys
from pathlib import Path

BAD_ORDER = 3
ORDERS = ({"id": 1, "price": "4.50"}, {"id": 2, "price": "12.00"}, {"id": 3, "price": "a lot"})

target = Path(os.environ["OUTPUT_DIR"], "done.jsonl")
with target.open("w", encoding="utf-8") as done:
    for order in ORDERS:
        try:
            price = float(order["price"])
        except ValueError:
            print(f"order {order['id']}: {order['price']!r} is no price", file=sys.stderr)
            sys.exit(BAD_ORDER)
        done.write(json.dumps({"id": order["id"], "price": price}) + "\n")
        print(f"order {order['id']} done")
