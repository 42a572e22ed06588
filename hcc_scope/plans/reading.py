"""Read plans from YAML or JSON (which is YAML too)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from hcc_scope.errors import PlanError
from hcc_scope.plans.models import Plan
from hcc_scope.small_files import read_small_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_plan", "parse_plan"]

_ADAPTER: TypeAdapter[Plan] = TypeAdapter(Annotated[Plan, Field(discriminator="kind")])
_MOST_BYTES = 64 * 2**20
_KINDS = "positions, grid, random, time_series or sequence"


def _in_words(error: ValidationError) -> str:
    """Return the first complaint of pydantic as half a sentence."""
    errors = error.errors(include_url=False)
    # a mistyped key is also a missing one: naming what was typed helps more
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    # The discriminator's own value leads the location, and a union's type may follow: neither is in the file.
    where = ".".join(str(part) for part in first["loc"][1:] if not str(part).startswith("tuple["))
    if first["type"] == "extra_forbidden":
        return f"unknown key '{where}'"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"'kind' must be {_KINDS}"
    if first["type"] == "missing":
        return f"the key '{where}' is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def parse_plan(content: Any, where: str = "the plan") -> Plan:  # noqa: ANN401 - whatever YAML or JSON held
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
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise PlanError(f"{where}: {_in_words(error)}") from error


def load_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises
    ------
    PlanError
        If the file is missing, is not YAML, or does not describe a plan.
    """
    try:
        content = yaml.safe_load(read_small_file(path, _MOST_BYTES).decode("utf-8"))
    except OSError as error:
        raise PlanError(f"cannot read the plan {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a 45th of a month
        raise PlanError(f"the plan {path} is not YAML: {error}".replace("\n", " ")) from error
    return parse_plan(content, where=f"the plan {path}")
