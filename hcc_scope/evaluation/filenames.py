"""Names of files in an evaluation's folder, in a module that imports nothing."""

from __future__ import annotations

__all__ = ["EVALUATION_FILE", "PLAN_FILE"]

EVALUATION_FILE = "evaluation.json"
"""Everything that an evaluation found; written last."""
PLAN_FILE = "plan.json"
"""There from the moment at which the first fold begins."""
