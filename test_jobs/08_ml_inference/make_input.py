"""Write the digits that the model has not seen: a label and 64 pixels a line."""

import sys
from pathlib import Path

import numpy as np
from train import split

_, (pixels, labels) = split()
table = np.column_stack([labels, pixels]).astype(int)
np.savetxt(Path(sys.argv[1], "held_out.csv"), table, fmt="%d", delimiter=",", newline="\n")
