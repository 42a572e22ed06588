"""The plan from a few options, where there is no plan file: random fields, a grid, or a sequence at full rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hcc_scope.errors import PlanError
from hcc_scope.plans.focusing import NO_FOCUSING

if TYPE_CHECKING:
    from hcc_scope.plans import Focusing, Plan
    from hcc_scope.plans.models import OutlineSource

__all__ = [
    "DEFAULT_AREA_UM",
    "DEFAULT_FIELDS",
    "DEFAULT_OVERLAP",
    "KnownOutline",
    "PlanHints",
    "PlanOptions",
    "StageRig",
    "area_around_um",
    "plan_of_options",
    "refuse_without_stage",
]

DEFAULT_FIELDS = 24
DEFAULT_OVERLAP = 0.1
"""Share of a field that neighbours in a grid have in common."""
DEFAULT_AREA_UM = (8000.0, 6000.0)
"""Width, height in which random fields lie on the demo rig, and what the window proposes."""


class StageRig(Protocol):
    """What a plan has to know of a rig; `hcc_scope.runs.rigs.OpenRig` is one."""

    def need_stage_for_fields(self, *, hint: str) -> None:
        """Refuse fields of an area where there is no motorised stage."""
        ...

    def is_demo(self) -> bool:
        """Return whether the camera is Micro-Manager's DemoCamera."""
        ...

    def area_around_stage_um(self, size_um: tuple[float, float], *, hint: str) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 of an area of a width and height around where the stage is now."""
        ...


def refuse_without_stage(has_stage: bool, *, hint: str) -> None:
    """Refuse fields of an area where nothing can drive to them; `hint` advises what to do then.

    Raises
    ------
    PlanError
        If there is no motorised stage.
    """
    if not has_stage:
        raise PlanError("random fields need a motorised XY stage, and this rig has none", hint=hint)


def area_around_um(centre_um: tuple[float, float], size_um: tuple[float, float]) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 of an area of a width and height around a place."""
    (x, y), (width, height) = centre_um, size_um
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How the fields of a section are chosen."""

    n_frames: int | None = None
    """Of a sequence at full rate with the stage at rest; None: fields of an area."""
    n_fields: int = DEFAULT_FIELDS
    """Of random fields."""
    seed: int = 0
    overlap: float | None = None
    """Share of a field that neighbours in a grid have in common; None: random fields."""
    area_um: tuple[float, float] | None = None
    """Width and height around the stage's present position; None: on the demo rig `DEFAULT_AREA_UM`."""
    exposure_ms: float | None = None
    """None leaves the camera's exposure as it is."""
    focus: Focusing = NO_FOCUSING


@dataclass(frozen=True, slots=True)
class PlanHints:
    """What an operator can do where there is no such plan: with options, or in the window."""

    where: str
    """What is wrong then, as the start of a sentence: ``the options``."""
    no_stage: str
    no_area: str


@dataclass(frozen=True, slots=True)
class KnownOutline:
    """A section's outline, and how it was obtained."""

    points_um: tuple[tuple[float, float], ...]
    source: OutlineSource | None = None
    """None: by none of the ways that a plan can state, such as that of a phantom."""
    margin_um: float | None = None
    """How far the tissue's edge may lie from it, if that is known."""


def plan_of_options(options: PlanOptions, rig: StageRig, outline: KnownOutline | None, hints: PlanHints) -> Plan:
    """Return the plan that the options stand for.

    Parameters
    ----------
    options : PlanOptions
    rig : StageRig
        Ready.
    outline : KnownOutline, optional
        It takes the place of the area.
    hints : PlanHints

    Raises
    ------
    PlanError
        If fields of an area are asked for and there is no stage or no area, or a number is out of range.
    """
    from hcc_scope.plans import parse_plan

    values: dict[str, object] = {"exposure_ms": options.exposure_ms, "focus": options.focus}
    if options.n_frames is not None:
        values |= {"kind": "sequence", "n_frames": options.n_frames}
        return parse_plan(values, where=hints.where)
    rig.need_stage_for_fields(hint=hints.no_stage)
    if options.overlap is None:
        values |= {"kind": "random", "n_fields": options.n_fields, "seed": options.seed}
    else:
        values |= {"kind": "grid", "overlap": options.overlap}
    if outline is not None:
        values |= {"outline_um": outline.points_um, "outline_from": outline.source}
        values["outline_margin_um"] = outline.margin_um
        return parse_plan(values, where=hints.where)
    size_um = options.area_um
    if size_um is None:
        if not rig.is_demo():
            # a motorised stage is never driven to places that no one named
            what = "random fields need" if options.overlap is None else "a grid needs"
            raise PlanError(f"{what} an area", hint=hints.no_area)
        size_um = DEFAULT_AREA_UM
    values["rectangle_um"] = rig.area_around_stage_um(size_um, hint=hints.no_stage)
    return parse_plan(values, where=hints.where)
