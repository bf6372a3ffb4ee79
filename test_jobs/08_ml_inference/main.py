"""Read handwritten digits with a trained scikit-learn model and measure how often it is right."""

import json
import os
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix

output = Path(os.environ["OUTPUT_DIR"])

learned = json.loads(Path(__file__).with_name("model.json").read_text(encoding="utf-8"))
model = LogisticRegression()
model.classes_ = np.array(learned["classes"])
model.coef_ = np.array(learned["coefficients"])
model.intercept_ = np.array(learned["intercepts"])

rows = np.loadtxt(Path(os.environ["INPUT_DIR"], "held_out.csv"), delimiter=",")
labels, pixels = rows[:, 0].astype(int), rows[:, 1:]
probabilities = model.predict_proba(pixels / learned["brightest"])
predicted = model.classes_[probabilities.argmax(axis=1)]

lines = [
    f"{label},{guess},{sure:.3f}"
    for label, guess, sure in zip(labels, predicted, probabilities.max(axis=1), strict=True)
]
(output / "predictions.csv").write_text(
    "\n".join(["label,predicted,probability", *lines]) + "\n", encoding="utf-8"
)

accuracy = float(accuracy_score(labels, predicted))
report = {
    "digits": len(labels),
    "accuracy": accuracy,
    "confusion": confusion_matrix(labels, predicted).tolist(),
}
(output / "report.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
print(f"{accuracy:.1%} of {len(labels)} digits read correctly")
