"""Names of files in an evaluation's folder, for who must not wait for what the rest imports."""

from __future__ import annotations

__all__ = ["PLAN_FILE"]

PLAN_FILE = "plan.json"
"""There from the moment at which the first fold begins."""
