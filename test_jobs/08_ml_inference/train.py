"""Train the classifier that this job ships: `python train.py` writes model.json anew.

The data are the 1797 handwritten digits of 8 x 8 pixels that come with scikit-learn
(`sklearn.datasets.load_digits`: test set of the UCI "Optical Recognition of Handwritten
Digits").  Every fifth digit is held out; the model never sees those, and they are the
job's input.  Only the learned numbers are kept, as JSON: a pickle could run any code on
the machine that loads it, and would be tied to one version of scikit-learn.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

BRIGHTEST = 16.0
HELD_OUT_EVERY = 5


def split() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return pixels (n, 64) from 0 to 16 and labels (n,), to learn from and held out."""
    pixels, labels = load_digits(return_X_y=True)
    held_out = np.arange(len(labels)) % HELD_OUT_EVERY == 0
    return (pixels[~held_out], labels[~held_out]), (pixels[held_out], labels[held_out])


def train() -> LogisticRegression:
    (pixels, labels), _ = split()
    return LogisticRegression(C=0.5, max_iter=1000).fit(pixels / BRIGHTEST, labels)


def main() -> None:
    model = train()
    learned = {
        "classes": model.classes_.tolist(),
        "brightest": BRIGHTEST,
        "coefficients": model.coef_.round(5).tolist(),
        "intercepts": model.intercept_.round(5).tolist(),
    }
    Path(__file__).with_name("model.json").write_text(json.dumps(learned) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
