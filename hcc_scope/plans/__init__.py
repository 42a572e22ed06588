"""Acquisition plans: which fields, in which order, with which settings. Pure: nothing here touches a microscope.

A plan is a small frozen value that turns into *events*, lazily, in pycromanager's own form (``axes``, ``x``, ``y``,
``z``, ``exposure``, ``config_group``, ``min_start_time``); `hcc_scope.microscope` executes them one by one.

>>> from hcc_scope.plans import PositionList
>>> plan = PositionList(positions_um=[(0, 0), (700, 0)], exposure_ms=10)
>>> next(plan.events((665.6, 665.6)))
{'axes': {'position': 0}, 'exposure': 10.0, 'x': 0.0, 'y': 0.0}
"""

from hcc_scope.plans.fields import field_of
from hcc_scope.plans.focusing import Focusing, focusing_of
from hcc_scope.plans.models import (
    MAX_EXPOSURE_MS,
    MAX_FRAMES,
    Grid,
    Plan,
    PlanBase,
    PositionList,
    RandomFields,
    Sequence,
    TimeSeries,
)
from hcc_scope.plans.outline import check_outline, first_crossing
from hcc_scope.plans.reading import load_plan, parse_plan
from hcc_scope.plans.saving import plan_text, position_text, save_plan
from hcc_scope.plans.validation import beyond_limits, check_plan

__all__ = [
    "MAX_EXPOSURE_MS",
    "MAX_FRAMES",
    "Focusing",
    "Grid",
    "Plan",
    "PlanBase",
    "PositionList",
    "RandomFields",
    "Sequence",
    "TimeSeries",
    "beyond_limits",
    "check_outline",
    "check_plan",
    "field_of",
    "first_crossing",
    "focusing_of",
    "load_plan",
    "parse_plan",
    "plan_text",
    "position_text",
    "save_plan",
]
