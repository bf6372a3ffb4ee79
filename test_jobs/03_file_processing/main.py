"""Count the words of every text file of the input; write the counts and a short report."""

import json
import os
import re
from collections import Counter
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
MOST_COMMON = 5

source = Path(os.environ["INPUT_DIR"])
output = Path(os.environ["OUTPUT_DIR"])

files = {}
total: Counter[str] = Counter()
for path in sorted(source.rglob("*.txt")):
    text = path.read_text(encoding="utf-8")
    words = Counter(WORD.findall(text.casefold()))
    files[path.relative_to(source).as_posix()] = {
        "lines": len(text.splitlines()),
        "words": words.total(),
        "distinct": len(words),
    }
    total += words

top = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:MOST_COMMON]
counts = {"files": files, "words": total.total(), "distinct": len(total), "top": top}
(output / "word_counts.json").write_text(
    json.dumps(counts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
)

report = [f"{name}: {count['words']} words" for name, count in files.items()]
report += [f"{word} x {count}" for word, count in top]
(output / "report.txt").write_text("\n".join(report) + "\n", encoding="utf-8")

print(f"{total.total()} words in {len(files)} files")
