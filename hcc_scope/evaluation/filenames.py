"""Names of files in an evaluation's folder, in a module that imports nothing."""

from __future__ import annotations

__all__ = ["PLAN_FILE"]

PLAN_FILE = "plan.json"
"""There from the moment at which the first fold begins."""
