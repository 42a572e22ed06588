"""Read plans from YAML or JSON (which is YAML too)."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from hcc_scope.errors import PlanError
from hcc_scope.plans.models import Plan
from hcc_scope.plans.stage_positions import POS_SUFFIX, plan_of_positions, read_positions
from hcc_scope.yaml_file import FileKind, first_mistake, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["load_plan", "parse_plan"]

_MODELS: dict[str, type[Plan]] = {model.model_fields["kind"].default: model for model in get_args(Plan)}
_KINDS = "positions, grid, random, time_series or sequence"
_NO_KIND = f"'kind' must be {_KINDS}"
_KIND = FileKind("plan", PlanError, most_bytes=64 * 2**20, needs=f"It needs at least the key 'kind': {_KINDS}.")


def parse_plan(content: Any, where: str = "the plan") -> Plan:  # noqa: ANN401 - values of any kind are checked here
    """Make a plan of plain values: a mapping with `kind` and that plan's fields.

    Raises
    ------
    PlanError
        With the first thing that is wrong, naming `where` and the key.

    Examples
    --------
    >>> parse_plan({"kind": "time_series", "n_frames": 3, "interval_s": 0.5}).expected_frames
    3
    """
    if not isinstance(content, dict):
        raise PlanError(f"{where} must be a mapping with the key 'kind': {_KINDS}")
    model = _model_of(content)
    if model is None:
        raise PlanError(f"{where}: {_NO_KIND}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        what, _ = first_mistake(error)
        raise PlanError(f"{where}: {what}") from error


def load_plan(path: Path) -> Plan:
    """Read a plan file, or a position list of Micro-Manager (``.pos``).

    Raises
    ------
    PlanError
        If the file is missing, is no file, is not YAML, or does not describe a plan; with the line of what is wrong.
    """
    if path.suffix.lower() == POS_SUFFIX:
        plan, _ignored = plan_of_positions(read_positions(path), str(path))
        return plan
    file = read_yaml(path, _KIND)
    model = _model_of(file.value)
    if model is None:
        kind = str(file.value.get("kind", "")).casefold()
        near = difflib.get_close_matches(kind, _MODELS, n=1)
        file.refuse(("kind",), _NO_KIND, hint=f"Did you mean '{near[0]}'?" if near else None)
    return file.validated(model)


def _model_of(content: Mapping[str, object]) -> type[Plan] | None:
    kind = content.get("kind")
    return _MODELS.get(kind) if isinstance(kind, str) else None
