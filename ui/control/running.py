"""A section that is under way, and how it is prepared and started; that runs in the worker ``rig``."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import PlanError, StoreUnwritableError
from hcc_scope.formatting import capital, full_stop
from hcc_scope.orientation import Orientation
from hcc_scope.storage.naming import refuse_taken
from hcc_scope.storage.space import check_out_dir
from ui.control.demo_specimen import specimen_of
from ui.control.loaded_rig import DRAWING, end_preview
from ui.control.paced_operator import PacedOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hcc_scope.phantom import Specimen
    from hcc_scope.plans import Plan
    from hcc_scope.runs.hand_section import HandRun
    from hcc_scope.runs.import_section import ImportRequest
    from hcc_scope.runs.plan_options import StageRig
    from hcc_scope.runs.references import SectionReferences
    from hcc_scope.runs.result_log import ResultLog
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.section import SectionRun
    from hcc_scope.session.session import Session
    from hcc_scope.tiling import TileGrid
    from hcc_scope.types import RunSpec
    from hcc_scope.workers import StopToken
    from ui.control.loaded_rig import LoadedRig
    from ui.control.rig_control import RigControl
    from ui.control.section_request import SectionRequest

__all__ = ["MAX_DRAWN", "Running", "plan_of_request", "start_import_of", "start_section_on"]

_PICTURES = "Live and map show raw frames, Tiles what the model sees."
MAX_DRAWN = 5000
"""Planned fields beyond which the map shows none: they would be one grey area."""


@dataclass(frozen=True, slots=True)
class Running:
    """A section that is under way, with its planned fields."""

    section: SectionRun
    threshold: float
    """The model card's decision threshold."""
    positions_um: NDArray[np.float64] | None
    """(n, 2) centres of the planned fields; None where none are planned, or too many to draw."""
    outline_um: NDArray[np.float64] | None
    """(m, 2)"""
    warnings: tuple[str, ...] = ()
    """What the operator must know of the state in which it began; a sentence each."""
    references_note: str = ""
    """Whether its frames are corrected by dark and flat fields, as a sentence."""
    references_stale: bool = False
    """Whether they would be, if the references were fresh."""
    hand: HandRun | None = None
    """Of a section whose stage is moved by hand."""

    @property
    def corrected(self) -> bool:
        """Whether its frames are corrected before they are classified."""
        return self.spec.provenance.get("shading") == "corrected"

    @property
    def session(self) -> Session:
        """What runs it."""
        return self.section.session

    @property
    def spec(self) -> RunSpec:
        """What is known before its first frame."""
        return self.section.spec

    @property
    def grid(self) -> TileGrid:
        """How its frames are cut into tiles."""
        return self.section.grid

    @property
    def results(self) -> ResultLog:
        """The results of its frames so far."""
        return self.section.results

    @property
    def store_path(self) -> Path:
        """Its store."""
        return Path(self.section.store_path)


def start_section_on(
    control: RigControl, request: SectionRequest, loaded: LoadedRig, stop: StopToken, scoring_model: ScoringModel
) -> Running:
    """Prepare and start a section; whatever is wrong is refused before the camera starts."""
    from hcc_scope.plans import TimeSeries, field_of
    from hcc_scope.runs.phantoms import outline_points
    from hcc_scope.runs.references import section_references
    from hcc_scope.runs.section import earlier_readings_out, section_source, start_section
    from hcc_scope.session.bad_fields import BadFieldWatch

    end_preview(loaded)
    if request.resumes is not None:
        return _resume(control, request, request.resumes, loaded, stop, scoring_model)
    if request.continues is None:
        refuse_taken(request.store)  # before a phantom is drawn, which is slow
    _check_folder(request.out_dir)
    card = scoring_model.model.card
    specimen = None
    if loaded.is_demo and request.specimen != "none":
        with control.doing(DRAWING):
            specimen = specimen_of(request, card.pixel_size_um)
    outline = None if specimen is None else outline_points(specimen)
    if request.plan.by_hand:
        return _start_by_hand(request, loaded, stop, scoring_model, specimen)
    plan = plan_of_request(request, loaded.rig, outline)
    with _plan_errors_for_window(request, on_phantom=specimen is not None):
        microscope = loaded.rig.microscope
        source = section_source(microscope, plan, scoring_model, request.animal_id, request.section_id, specimen)
    warnings = earlier_readings_out(source, request.out_dir)
    interval_s = plan.interval_s if isinstance(plan, TimeSeries) else None
    references = section_references(loaded.rig, card, request.shading, painted=specimen is not None)
    section = start_section(
        source,
        scoring_model,
        request.out_dir,
        stop=stop,
        interval_s=interval_s,
        shading=references.shading,
        facts=references.facts,
        bad_fields=BadFieldWatch.of_plan(plan, request.pause_after or None),
    )
    spec = section.spec
    field_um = field_of(plan, Orientation(spec.camera_axes), spec.frame_shape_yx, spec.pixel_size_um)
    return Running(
        section,
        card.decision_threshold,
        _positions(plan, field_um),
        _outline_of(plan, specimen),
        (*source.warnings, *warnings),
        _note_of(references),
        references.stale,
    )


def start_import_of(request: ImportRequest, scoring_model: ScoringModel, stop: StopToken) -> Running:
    """Import images as a section, or go on with an import that was interrupted."""
    from hcc_scope.runs.import_section import open_import, start_import

    _check_folder(request.out_dir)
    opened = open_import(request)
    with ExitStack() as unused:
        unused.callback(opened.close)
        run = start_import(opened, scoring_model, stop)
        unused.pop_all()
    problems = [full_stop(capital(problem)) for one in opened.chosen for problem in one.images.problems]
    return Running(run, scoring_model.model.card.decision_threshold, None, None, tuple(problems[:3]), opened.describe())


def _resume(
    control: RigControl,
    request: SectionRequest,
    path: Path,
    loaded: LoadedRig,
    stop: StopToken,
    scoring_model: ScoringModel,
) -> Running:
    """Take what is left of a stored section, or fields of it again, in a further part of its store."""
    from hcc_scope.plans import field_of
    from hcc_scope.runs.phantoms import grown
    from hcc_scope.runs.resumed_section import (
        check_resumed_model,
        resumable_section,
        resume_section,
        resumed_model,
        resumed_source,
    )
    from hcc_scope.runs.section import earlier_readings_out

    section = resumable_section(path, request.retakes)
    scoring_model = resumed_model(section, scoring_model)
    check_resumed_model(section, scoring_model)
    if section.specimen is not None:
        with control.doing(DRAWING):
            grown(section.specimen, scoring_model.model.card.pixel_size_um)
    source = resumed_source(loaded.rig.microscope, section, scoring_model)
    warnings = (*source.warnings, *earlier_readings_out(source, path.parent))
    run = resume_section(
        loaded.rig, source, section, scoring_model, stop, request.retake_reason, request.pause_after or None
    )
    spec = run.spec
    field_um = field_of(section.plan, Orientation(spec.camera_axes), spec.frame_shape_yx, spec.pixel_size_um)
    return Running(
        run,
        scoring_model.model.card.decision_threshold,
        _positions(section.plan, field_um),
        _outline_of(section.plan, section.specimen),
        warnings,
        section.describe(),
    )


def _start_by_hand(
    request: SectionRequest,
    loaded: LoadedRig,
    stop: StopToken,
    scoring_model: ScoringModel,
    specimen: Specimen | None,
) -> Running:
    """Start a section whose stage is moved by hand: its fields are captured as the operator goes."""
    from hcc_scope.microscope.hand_source import Guided
    from hcc_scope.runs.continued_section import continuable_store
    from hcc_scope.runs.hand_section import continue_hand_section, hand_source, start_hand_section, stored_guided
    from hcc_scope.runs.references import section_references
    from hcc_scope.runs.section import earlier_readings_out
    from hcc_scope.runs.simulated_hand import simulated_hand

    card, microscope, n_fields = scoring_model.model.card, loaded.rig.microscope, request.plan.n_fields
    guided = Guided(n_fields, request.seed) if request.plan.kind == "guided" else None
    if request.continues is not None:
        guided = stored_guided(continuable_store(request.continues))
    played = None
    if specimen is not None and request.specimen == "hand":
        played = simulated_hand(microscope, specimen, request.seed, n_fields=n_fields, guided=guided is not None)
    source = hand_source(
        microscope,
        scoring_model,
        request.animal_id,
        request.section_id,
        guided=guided,
        specimen=specimen,
        scene=None if played is None else played.scene,
        operator=None if played is None else PacedOperator(played.operator),
    )
    if played is not None:
        played.operator.commands = source  # it presses the buttons of the steps as well
    warnings = tuple(earlier_readings_out(source, request.out_dir))
    if request.continues is not None:  # corrected as before, by the references in its store
        hand = continue_hand_section(source, scoring_model, request.continues, stop)
        note, stale = "", False
    else:
        references = section_references(loaded.rig, card, request.shading, painted=specimen is not None)
        how = references.shading, references.facts
        hand = start_hand_section(source, scoring_model, request.out_dir, stop, *how)
        note, stale = _note_of(references), references.stale
    warnings = (*source.warnings, *warnings)
    return Running(hand.section, card.decision_threshold, None, None, warnings, note, stale, hand)


def _note_of(references: SectionReferences) -> str:
    """Return whether frames are corrected, and where they are seen so, as sentences."""
    return references.note if references.shading is None else f"{references.note} {_PICTURES}"


def _outline_of(plan: Plan, specimen: Specimen | None) -> NDArray[np.float64] | None:
    """Return the outline to draw: the plan's own, else the specimen's."""
    corners = getattr(plan, "outline_um", None)
    if corners is not None:
        return np.array(corners, dtype=np.float64)
    return None if specimen is None else specimen.outline_um


@contextmanager
def _plan_errors_for_window(request: SectionRequest, *, on_phantom: bool) -> Iterator[None]:
    """Refuse too many random fields with what can be done in this window."""
    try:
        yield
    except PlanError as error:
        if request.plan.kind != "random" or "without overlap" not in error.message:
            raise
        fewer = "Choose fewer fields under Section > Plan"
        hint = f"{fewer}: the outline is the phantom section's." if on_phantom else f"{fewer}, or a larger area."
        raise PlanError(error.message, hint=hint) from None  # the original advice is for the command line


def _check_folder(folder: Path) -> None:
    """Refuse a folder in which no section can be stored, with what can be done in this window."""
    try:
        check_out_dir(folder)
    except StoreUnwritableError as error:
        hint = "Choose another one with File > Folder for sections."
        raise StoreUnwritableError(error.message, hint=hint) from error


def _positions(plan: Plan, field_um: tuple[float, float]) -> NDArray[np.float64] | None:
    """Return the centres of the planned fields; None if there are none, or too many to draw."""
    places = list(islice(plan.places(field_um), MAX_DRAWN + 1))
    if not places or len(places) > MAX_DRAWN:
        return None
    return np.array([(x_um, y_um) for _, x_um, y_um, _ in places], dtype=np.float64)


def plan_of_request(request: SectionRequest, rig: StageRig, outline_um: tuple[tuple[float, float], ...] | None) -> Plan:
    """Return the plan that the operator chose, as this rig can carry it out.

    Parameters
    ----------
    request : SectionRequest
    rig : StageRig
    outline_um : tuple of (x, y), optional
        The specimen's own outline; one on the map takes its place.

    Raises
    ------
    PlanError
        If the file is wrong, or a plan needs a stage or an area that is missing.
    """
    from hcc_scope.plans import load_plan, parse_plan
    from hcc_scope.runs.plan_options import KnownOutline, PlanHints, PlanOptions, plan_of_options

    choice = request.plan
    if choice.kind == "file":
        return load_plan(Path(choice.file))
    if choice.kind == "list":
        fields = {"kind": "positions", "positions_um": ()} if choice.listed is None else choice.listed.model_dump()
        return parse_plan({**fields, "focus": choice.focusing})
    wanted = PlanOptions(
        n_frames=choice.n_frames if choice.kind == "sequence" else None,
        n_fields=choice.n_fields,
        seed=request.seed,
        overlap=choice.overlap if choice.kind == "grid" else None,
        area_um=choice.area_um,
        focus=choice.focusing,
    )
    outline = None if outline_um is None else KnownOutline(outline_um)
    if choice.uses_outline and choice.outline_um:
        outline = KnownOutline(choice.outline_um, choice.outline_from, choice.outline_margin_um)
    hints = PlanHints(
        where="the plan",
        no_stage="Choose a sequence, or a plan file with a time series, and move the specimen by hand.",
        no_area="Choose one under Section > Plan.",
    )
    return plan_of_options(wanted, rig, outline, hints)
