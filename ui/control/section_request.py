"""The request for a section: ids, plan, model and folder; and what is wrong with it, before anything moves."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hcc_scope.errors import IdError
from hcc_scope.formatting import counted, format_number, listed
from hcc_scope.plans.focusing import NO_FOCUSING, Focusing
from hcc_scope.runs.plan_options import DEFAULT_AREA_UM, DEFAULT_FIELDS, DEFAULT_OVERLAP
from hcc_scope.storage.naming import check_id, store_path

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.plans import PositionList
    from hcc_scope.plans.focusing import FocusMode
    from hcc_scope.plans.models import OutlineSource
    from hcc_scope.runs.references import ShadingChoice

__all__ = ["BY_HAND", "FOCUS_WORDS", "OF_AREA", "PlanChoice", "SectionRequest", "next_id", "problem_with_id"]

PlanKind = Literal["random", "grid", "list", "guided", "free", "sequence", "file"]
"""``list``: fields that were marked or moved on the map. ``guided``, ``free``: an operator moves the specimen to fields
that are drawn, or to fields of their choice."""
BY_HAND: tuple[PlanKind, ...] = ("guided", "free")
OF_AREA: tuple[PlanKind, ...] = ("random", "grid")
"""Fields that fill an area, or an outline."""
_NEED_STAGE: tuple[PlanKind, ...] = (*OF_AREA, "list")
Specimen = Literal["low", "high", "none", "hand"]
"""``hand``: of class high, and moved by a simulated operator."""


FOCUS_WORDS: dict[FocusMode, str] = {
    "none": "not focused",
    "once": "focused once",
    "every_k": "focused every {k}",
    "plane": "focused by a plane",
}


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """How the fields of a section are chosen."""

    kind: PlanKind = "random"
    n_fields: int = DEFAULT_FIELDS
    """Number of random fields, whether a stage goes to them or an operator does."""
    area_um: tuple[float, float] = DEFAULT_AREA_UM
    """Width and height of the area of random fields or a grid, around the position of the stage."""
    n_frames: int = 100
    """Length of a sequence at full rate, the stage at rest."""
    file: str = ""
    overlap: float = DEFAULT_OVERLAP
    """Share of a field that neighbours in a grid have in common."""
    outline_um: tuple[tuple[float, float], ...] = ()
    """Corners of the outline that was drawn on the map; empty for none. Of this rig's stage, so it is not kept."""
    uses_outline: bool = False
    """Whether random fields, or the grid, lie inside that outline."""
    outline_from: OutlineSource | None = None
    """How it was obtained."""
    outline_margin_um: float | None = None
    """How far the tissue's edge may lie from it, as a search for tissue stated it."""
    listed: PositionList | None = None
    """The fields that were marked or moved on the map; None for none. Of this rig's stage, so it is not kept."""
    focus: Focusing = NO_FOCUSING
    """When to focus by the camera's image; a plan file states it itself."""

    @property
    def focusing(self) -> Focusing:
        """When to focus, as far as it goes with this kind: a sequence can be focused only before it begins."""
        if self.kind in _NEED_STAGE:
            return self.focus
        return Focusing("once") if self.kind == "sequence" and self.focus.mode == "once" else NO_FOCUSING

    def with_outline(
        self,
        corners_um: tuple[tuple[float, float], ...] = (),
        source: OutlineSource = "drawn",
        margin_um: float | None = None,
    ) -> PlanChoice:
        """Return a grid, or random fields, inside an outline; without corners, this plan without its outline.

        Parameters
        ----------
        corners_um : tuple of (x, y)
        source : {"prescan", "drawn"}
            One that was drawn and keeps a corner of a prescan's was mended.
        margin_um : float, optional
        """
        if not corners_um:
            return replace(self, outline_um=(), uses_outline=False, outline_from=None, outline_margin_um=None)
        found = self.outline_from in ("prescan", "mended") and set(corners_um) & set(self.outline_um)
        return replace(
            self,
            kind=self.kind if self.kind in OF_AREA else "random",
            outline_um=corners_um,
            uses_outline=True,
            outline_from="mended" if source == "drawn" and found else source,
            outline_margin_um=margin_um,
        )

    def with_list(self, listed: PositionList) -> PlanChoice:
        """Return these fields, in their order; how they are focused stays."""
        focus = self.focus if listed.focus == NO_FOCUSING else listed.focus
        return replace(self, kind="list", listed=listed.model_copy(update={"focus": NO_FOCUSING}), focus=focus)

    def without_places(self) -> PlanChoice:
        """Return the plan without what was drawn or marked on one rig's stage; random fields instead of a list."""
        plan = replace(self.with_outline(), listed=None)
        return replace(plan, kind="random") if plan.kind == "list" else plan

    def fits(self, *, has_stage: bool) -> bool:
        """Return whether a rig can carry it out: a motorised stage, or a person, goes to the fields."""
        return not self.by_hand if has_stage else self.kind not in _NEED_STAGE

    @property
    def by_hand(self) -> bool:
        """Whether an operator moves the specimen, and the fields are captured meanwhile."""
        return self.kind in BY_HAND

    def describe(self, *, outlined: bool) -> str:
        """Describe it in a few words; `outlined` if the specimen's own outline takes the place of the area."""
        text = self._describe_fields(outlined=outlined)
        k = self.focusing.every_k
        focus = FOCUS_WORDS[self.focusing.mode].format(k=f"{k} fields" if k > 1 else "field")
        return text if self.focusing == NO_FOCUSING else f"{text}, {focus}"

    def _describe_fields(self, *, outlined: bool) -> str:
        match self.kind:
            case "random":
                if self.uses_outline and self.outline_um:
                    return f"{counted(self.n_fields, 'field')} in the outline on the map"
                if outlined:
                    return counted(self.n_fields, "random field")
                return f"{counted(self.n_fields, 'field')} in {self._area()}"
            case "grid":
                if self.uses_outline and self.outline_um:
                    return "grid in the outline on the map"
                return "grid of the section" if outlined else f"grid in {self._area()}"
            case "list":
                n = 0 if self.listed is None else len(self.listed.positions_um)
                return f"list of {counted(n, 'field')}"
            case "guided":
                return f"{counted(self.n_fields, 'random field')}, by hand"
            case "free":
                return "fields of your choice, by hand"
            case "sequence":
                return f"{counted(self.n_frames, 'frame')} at rest"
            case "file":
                return self.file.replace("\\", "/").rsplit("/", 1)[-1] or "no file"

    def _area(self) -> str:
        width, height = (format_number(side, 0) for side in self.area_um)
        return f"{width} × {height} µm"


@dataclass(frozen=True, slots=True)
class SectionRequest:
    """One section to acquire."""

    animal_id: str
    section_id: str
    out_dir: Path
    plan: PlanChoice
    specimen: Specimen
    """What the demo camera shows; without a meaning on other rigs."""
    model: str
    engine: str
    seed: int
    pause_after: int = 0
    """After how many bad fields in a row the section pauses; 0: never. A section by hand does not."""
    shading: ShadingChoice = "auto"
    """Whether fresh dark and flat fields correct its frames before they are classified."""
    continues: Path | None = None
    """The store of an earlier section by hand that goes on; None for a new section."""
    resumes: Path | None = None
    """The store of an earlier section whose plan goes on; None for a new section."""
    retakes: tuple[int, ...] = ()
    """Of a section that goes on: fields that are taken again, and nothing else."""
    retake_reason: str = ""
    """Why."""

    @property
    def store(self) -> Path:
        """The store of the section."""
        return self.continues or self.resumes or store_path(self.out_dir, self.animal_id, self.section_id)

    @property
    def rest(self) -> str:
        """What is taken of a section that goes on, in a few words; empty for a new section."""
        if self.retakes:
            fields = [str(seq) for seq in self.retakes]
            return f"field {fields[0]} again" if len(fields) == 1 else f"fields {listed(fields)} again"
        return "" if self.resumes is None else "rest of its plan"

    @property
    def id_problem(self) -> str:
        """Why the ids cannot be used yet, as text; empty if they can."""
        for value, what in ((self.animal_id, "animal id"), (self.section_id, "section id")):
            if not value:
                return f"the {what} is missing"
            problem = problem_with_id(value, what)
            if problem:
                return problem
        return ""

    def problem(self, *, has_stage: bool) -> str:
        """Return what keeps the section from starting on a rig, as text; empty if nothing does."""
        if self.id_problem:
            return self.id_problem
        if not self.model:
            return "no model is chosen"
        if self.plan.kind == "file" and not self.plan.file.strip():
            return "no plan file is chosen"
        if self.plan.kind == "list" and (self.plan.listed is None or not self.plan.listed.positions_um):
            return "the plan's list holds no field: mark one on the map"
        if not self.plan.fits(has_stage=has_stage):
            why = "has a motorised stage" if has_stage else "has no stage that can move to fields"
            return f"this rig {why}: choose another plan with Section > Plan"
        return ""


def problem_with_id(value: str, what: str) -> str:
    """Return why an id cannot be used, as text; empty if it can."""
    try:
        check_id(value, what)
    except IdError as error:
        return str(error)
    return ""


def next_id(value: str) -> str:
    """Return the id that follows: the last number in it plus one, as many digits; unchanged without a number.

    Examples
    --------
    >>> next_id("S09")
    'S10'
    """
    numbers = list(re.finditer(r"\d+", value))
    if not numbers:
        return value
    last = numbers[-1]
    return f"{value[: last.start()]}{int(last[0]) + 1:0{len(last[0])}d}{value[last.end() :]}"
