"""Write the texts to count: plain, accented, with Windows line ends, empty, in a subdirectory."""

import sys
from pathlib import Path

TEXTS = {
    "harbour.txt": (
        "The boats come home before the rain.\n"
        "The rain comes home before the boats,\n"
        "says the keeper, and the keeper's lamp says nothing.\n"
    ),
    "letters/café.txt": "Straße und Café:\nein Kaffee, ein Stück Kuchen, ein Brief.\n",
    "letters/windows.txt": "One line ends here.\r\nThe other line ends there.\r\n",
    "notes/empty.txt": "",
    "notes/numbers.txt": "3 boats, 12 lamps, 0 letters\nboats: 3\n",
}

for name, text in TEXTS.items():
    target = Path(sys.argv[1], name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode("utf-8"))
