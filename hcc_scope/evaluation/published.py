"""The results that Meng et al. 2019 report for their five folds (Proc. SPIE 10949, 109492L, doi 10.1117/12.2512214)."""

from __future__ import annotations

__all__ = ["ACCURACY", "AUC", "MEANS", "SENSITIVITY", "SOURCE", "SPECIFICITY"]

SPECIFICITY = (0.80, 0.80, 0.83, 0.88, 0.91)
SENSITIVITY = (0.83, 0.73, 0.94, 0.83, 0.96)
ACCURACY = (0.82, 0.77, 0.89, 0.86, 0.93)
AUC = (0.89, 0.80, 0.95, 0.92, 0.96)
MEANS = (0.84, 0.86, 0.85, sum(AUC) / len(AUC))
"""Of specificity, sensitivity, accuracy as printed; that of the AUC is not printed, and computed here."""
SOURCE = "Meng et al. 2019"
