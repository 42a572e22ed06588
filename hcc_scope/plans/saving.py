"""Write plans as YAML that `hcc_scope.plans.load_plan` reads back as the same plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from hcc_scope.atomic_file import replacing
from hcc_scope.errors import from_os_error

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.plans.models import Plan

__all__ = ["plan_text", "position_text", "save_plan"]

_HEADING = "# A plan of HCC-Scope: positions in um, exposures in ms (docs/plans.md)."


def plan_text(plan: Plan) -> str:
    """Return a plan as YAML: a key on each line, and a line for each point of a list of points.

    Keys without a value are left out. Texts stand in quotation marks, so that none is taken for a number.

    Examples
    --------
    >>> from hcc_scope.plans import TimeSeries
    >>> print(plan_text(TimeSeries(n_frames=3, interval_s=0.5)), end="")
    # A plan of HCC-Scope: positions in um, exposures in ms (docs/plans.md).
    kind: "time_series"
    n_frames: 3
    interval_s: 0.5
    """
    values = plan.model_dump(mode="json", exclude_none=True)
    lines = [_HEADING, f"kind: {_flow(values.pop('kind'))}"]
    for key, value in values.items():
        if value is None:  # written down as nothing, such as no focusing
            continue
        if isinstance(value, list) and value and isinstance(value[0], list):
            lines += [f"{key}:", *(f"  - {_flow(one)}" for one in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def position_text(x_um: float, y_um: float) -> str:
    """Return a place as an item of a plan's ``positions_um``, to a hundredth of a um.

    Examples
    --------
    >>> position_text(1203.456, -88.0)
    '[1203.46, -88.0]'
    """
    return _flow([round(x_um, 2) + 0.0, round(y_um, 2) + 0.0])


def _flow(value: object) -> str:
    """Return a value on one line."""
    match value:
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
        case dict():
            return f"{{{', '.join(f'{_flow(key)}: {_flow(one)}' for key, one in value.items())}}}"
        case _:
            text: str = yaml.safe_dump(str(value), default_style='"', allow_unicode=True, width=2**31 - 1)
            return text.removesuffix("\n")


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan file; one that is there is replaced as a whole.

    Raises
    ------
    HccScopeError
        If it cannot be written; a file that was there is then unchanged.
    """
    try:
        with replacing(path, shared=True) as temporary:
            temporary.write_text(plan_text(plan), encoding="utf-8", newline="\n")
    except OSError as error:
        raise from_os_error(error, f"The plan {path} cannot be saved") from error
