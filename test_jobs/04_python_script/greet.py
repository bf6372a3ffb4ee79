"""Show what reaches a script: arguments, variables, both streams and the output directory."""

import argparse
import json
import os
import sys
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("names", nargs="+")
parser.add_argument("--times", type=int, default=1)
arguments = parser.parse_args()

greeting = os.environ.get("GREETING", "Hello")
lines = [f"{greeting}, {name}!" for name in arguments.names] * arguments.times
for line in lines:
    print(line)
print(f"greeted {len(arguments.names)} people {arguments.times} times", file=sys.stderr)

record = {"greeting": greeting, "names": arguments.names, "lines": len(lines)}
target = Path(os.environ["OUTPUT_DIR"], "greetings", "record.json")
target.parent.mkdir()
target.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
