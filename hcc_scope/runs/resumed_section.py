"""A stored plan goes on in its own store: the fields that are left, or fields that are taken again.

>>> section = resumable_section(Path("runs/M7_S1.ome.zarr"))  # doctest: +SKIP
>>> source = resumed_source(rig.microscope, section, scoring_model)  # doctest: +SKIP
>>> run = resume_section(rig, source, section, scoring_model)  # doctest: +SKIP
>>> report = run.finish()  # doctest: +SKIP

Plan, order of the fields, model, exposure and references are those of the store: the plan is not drawn again, and the
score is that of one run of the whole plan. Fields that the stage did not reach are not tried again, except those behind
the last stored field: there the plan was interrupted, and there it goes on.
"""

from __future__ import annotations

import json
import math
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast, get_args

from hcc_scope.errors import PlanError, StoreDamagedError, StoreError
from hcc_scope.formatting import counted, listed
from hcc_scope.orientation import Orientation
from hcc_scope.phantom import Specimen, TumourClass
from hcc_scope.plans import RandomFields, check_plan, field_of
from hcc_scope.plans.progress import PlanProgress, plan_progress
from hcc_scope.plans.reading import parse_plan
from hcc_scope.runs.continued_section import continuable_store, continue_section
from hcc_scope.runs.references import SETTINGS_KEY, settings_now
from hcc_scope.runs.section import section_source
from hcc_scope.score_rule import LATTICE_KEY, ScoreRule
from hcc_scope.session.bad_fields import BadFieldWatch
from hcc_scope.storage.notes import read_notes_log
from hcc_scope.storage.parts import LEFT_OUT, RESUMED_AT
from hcc_scope.storage.reopened import refuse_packed
from hcc_scope.storage.same_section import refuse_another_section
from hcc_scope.storage.space import check_free_space, check_out_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.plans import Plan
    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.section import SectionRun
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import TagValue
    from hcc_scope.workers import StopToken

__all__ = [
    "SAME_PLACE",
    "ResumableSection",
    "check_resumed_model",
    "rest_of",
    "resumable_section",
    "resume_section",
    "resumed_model",
    "resumed_source",
]

SAME_PLACE = "The specimen must lie on the stage as it did."
"""What no program can check, for the operator."""
_NEW = "Start a new section."
_AHEAD = 3
_SAME = 1e-3
"""Relative difference up to which two settings of a camera count as equal: drivers round."""
_SETTINGS = {
    "camera": "camera",
    "objective": "objective",
    "binning": "binning",
    "roi": "region of the camera",
    "bit_depth": "bit depth",
    "exposure_ms": "exposure in ms",
    "em_gain": "EM gain",
    "readout": "readout",
}
"""Settings of the rig without which frames of two parts do not mean the same."""


@dataclass(frozen=True, slots=True)
class ResumableSection:
    """A stored section whose plan can go on."""

    store: SectionStore
    plan: Plan
    """As stored, with the exposure of its frames."""
    progress: PlanProgress
    n_planned: int
    """Fields of the plan."""
    retakes: tuple[int, ...] = ()
    """Frames whose field is taken again, and nothing else; empty: the plan goes on."""
    specimen: Specimen | None = None
    """The phantom that it shows; not grown yet."""

    @property
    def n_left(self) -> int:
        """Fields of the plan that are still to come."""
        return self.n_planned - self.progress.next_field

    @property
    def to_take(self) -> PlanProgress:
        """Where the source begins: at the next field, or behind the plan if fields are only taken again."""
        return replace(self.progress, next_field=self.n_planned) if self.retakes else self.progress

    @property
    def stays_open(self) -> bool:
        """Whether fields of the plan are left that are not taken now either."""
        outcome = self.store.recorded.outcome
        ended_whole = outcome is not None and outcome.state == "completed"  # what is left then was not reached
        return bool(self.retakes) and self.n_left > 0 and not ended_whole

    def describe(self) -> str:
        """Return what will be taken, as a sentence."""
        spec = self.store.spec
        name = f"section {spec.animal_id} {spec.section_id}"
        if self.retakes:
            noun = "Field" if len(self.retakes) == 1 else "Fields"
            verb = "is" if len(self.retakes) == 1 else "are"
            return f"{noun} {listed([str(seq) for seq in self.retakes])} of {name} {verb} taken again."
        verb = "is" if self.n_left == 1 else "are"
        words = f"{self.n_left} of {counted(self.n_planned, 'field')} of {name} {verb} left"
        if n := self.progress.n_skipped:
            verbs = "was not reached and stays" if n == 1 else "were not reached and stay"
            words += f"; {counted(n, 'field')} before them {verbs} left out"
        return f"{words}."


def resumable_section(path: Path, retakes: tuple[int, ...] = ()) -> ResumableSection:
    """Return what is left of a stored section; nothing is written or moved.

    Parameters
    ----------
    path : Path
        The store. One whose run never ended is accepted: it is recovered when it goes on.
    retakes : tuple of int
        Frames whose field is to be taken again; without any, the fields that are left.

    Raises
    ------
    StoreError
        If there is no store, another process writes to it, it has another kind of plan or none, nothing is left, or it
        is of a version that cannot be continued.
    StoreDamagedError
        If a frame or a fact is damaged.
    StoreUnwritableError, DiskFullError
        If nothing can be added to it.
    """
    store = continuable_store(path)
    _refuse_damage(store, store.journal_problems)  # what takes long comes last
    section = replace(_left_of(store), retakes=tuple(retakes), specimen=_specimen(store))
    for seq in retakes:
        if not 0 <= seq < store.n_frames:
            raise StoreError(f"{path} has no field {seq}", hint=f"It has {counted(store.n_frames, 'frame')}, from 0.")
    if not retakes and not section.n_left:
        words = "every field of its plan is stored"
        if section.progress.n_skipped:
            words += " or was not reached"
        raise StoreError(
            f"{path} cannot be resumed: {words}, and nothing is left",
            hint="In the window single fields can be taken again.",
        )
    _check_sound(store)
    coming = replace(store.spec, expected_frames=len(retakes) or section.n_left)
    check_out_dir(store.path)
    check_free_space(store.path, coming)
    return section


def rest_of(store: SectionStore) -> ResumableSection | None:
    """Return what is left of an open store's section; None for one whose plan cannot go on.

    Quick: nothing but journal and facts is looked at.
    """
    try:
        return _left_of(store)
    except StoreError:
        return None


def _left_of(store: SectionStore) -> ResumableSection:
    plan, spec = _stored_plan(store), store.spec
    try:
        field_um = field_of(plan, Orientation(spec.camera_axes), spec.frame_shape_yx, spec.pixel_size_um)
        n_planned = check_plan(plan, field_um)
        tags = [None if entry is None else entry.tags for entry in store.journal]
        progress = plan_progress(plan, field_um, tags)
    except PlanError as error:
        raise StoreError(f"{store.path} cannot be resumed: {error.message}", hint=_NEW) from error
    assert n_planned is not None  # only a sequence has an open end
    return ResumableSection(store, plan, progress, n_planned)


def _stored_plan(store: SectionStore) -> Plan:
    """Return the plan of a store, with the exposure that its frames were taken with."""
    path, spec = store.path, store.spec
    refuse_packed(path, store.facts)
    if spec.sampling in ("guided", "chosen"):
        raise StoreError(
            f"{path} cannot be resumed: its fields were captured by hand",
            hint="Continue it with hcc-scope acquire --by-hand --continue.",
        )
    if spec.sampling == "imported":
        raise StoreError(
            f"{path} cannot be resumed: its images were imported",
            hint="An import that was interrupted goes on when hcc-scope import is given the same sources again.",
        )
    if spec.sampling in ("time_series", "sequence"):
        name = spec.sampling.replace("_", " ")
        raise StoreError(f"{path} cannot be resumed: a gap would break its {name}", hint=_NEW)
    if store.attributes["schema_version"] == 1:
        raise StoreError(
            f"{path} cannot be resumed: it has store version 1, whose lines have no checksums",
            hint="Start a new section; this one can be replayed.",
        )
    stored = spec.provenance.get("plan")
    if not isinstance(stored, str):
        raise StoreError(f"{path} cannot be resumed: it holds no plan", hint=_NEW)
    try:
        plan = parse_plan(json.loads(stored), f"the plan in {path}")
    except (PlanError, ValueError, RecursionError) as error:
        words = f"{path} cannot be resumed: its plan is not one of this version: {error}"
        raise StoreError(words, hint=_NEW) from error
    if isinstance(plan, RandomFields) and spec.provenance.get(LATTICE_KEY) is None:
        raise StoreError(
            f"{path} cannot be resumed: it was made by an earlier version, which drew its fields in another way",
            hint="Start a new section; this one can be replayed.",
        )
    last = next((entry for entry in reversed(store.journal) if entry is not None), None)
    if plan.exposure_ms is None and last is not None and not math.isnan(last.exposure_ms):
        plan = plan.model_copy(update={"exposure_ms": last.exposure_ms})
    return plan


def _specimen(store: SectionStore) -> Specimen | None:
    """Return the phantom that a store shows; None for any other specimen."""
    facts = store.spec.provenance
    seed, kind, day = (facts.get(key) for key in ("phantom_seed", "phantom_class", "phantom_day"))
    if not isinstance(seed, int) or kind not in get_args(TumourClass):
        return None
    spec = store.spec
    return Specimen(seed, spec.animal_id, spec.section_id, cast("TumourClass", kind), day=str(day))


def _check_sound(store: SectionStore) -> None:
    """Refuse a damaged store. What only an interrupted run leaves behind (a torn line) is no damage."""
    path = store.path
    if store.complete:
        _refuse_damage(store, (*store.problems, *read_notes_log(path).problems))
    for frame in store.read_ahead(range(store.n_frames), _AHEAD):
        if isinstance(frame, StoreDamagedError):
            raise StoreDamagedError(f"{path} cannot be resumed: {frame.message}", hint=_NEW)


def _refuse_damage(store: SectionStore, problems: Iterable[str]) -> None:
    for problem in problems:
        raise StoreDamagedError(
            f"{store.path} cannot be resumed: {problem}",
            hint="Run hcc-scope recover on it and try again, or start a new section.",
        )


def resumed_model(section: ResumableSection, scoring_model: ScoringModel) -> ScoringModel:
    """Return a model that scores as the store's run did: tiles unlike the training tiles, and weights of fields."""
    spec = section.store.spec
    return replace(
        scoring_model,
        score_unlike=section.store.recorded.provenance.score_unlike,
        weight=ScoreRule.of(spec).weight,
        allow_phantom_model=scoring_model.allow_phantom_model or spec.provenance.get("allow_phantom_model") is True,
    )


def check_resumed_model(section: ResumableSection, scoring_model: ScoringModel) -> None:
    """Refuse a model, its card or an engine other than those of the store, before a rig is opened.

    Raises
    ------
    StoreError
        With the first difference.
    """
    spec, card = section.store.spec, scoring_model.model.card
    facts = {**spec.provenance, **scoring_model.facts}
    now = replace(spec, model_sha256=card.sha256, tile_px=card.tile_px, provenance=facts)
    refuse_another_section(section.store.path, spec, now)


def resumed_source(
    microscope: MicroManager, section: ResumableSection, scoring_model: ScoringModel
) -> MicroManagerSource:
    """Return the frames that are left, or those of the fields that are taken again.

    Parameters
    ----------
    microscope : MicroManager
        Ready.
    section : ResumableSection
        Its specimen is grown.
    scoring_model : ScoringModel
        As `resumed_model` returns it.

    Raises
    ------
    HccScopeError
        If the plan cannot be carried out on this rig.
    """
    spec = section.store.spec
    ids = spec.animal_id, spec.section_id
    return section_source(microscope, section.plan, scoring_model, *ids, section.specimen, progress=section.to_take)


def resume_section(
    rig: OpenRig,
    source: MicroManagerSource,
    section: ResumableSection,
    scoring_model: ScoringModel,
    stop: StopToken | None = None,
    reason: str = "",
    pause_after: int | None = None,
) -> SectionRun:
    """Begin to take what is left of a stored section, or to take fields again, in a further part of its store.

    Parameters
    ----------
    rig : OpenRig
        Set as `source` requires.
    source : MicroManagerSource
        From `resumed_source`.
    section : ResumableSection
    scoring_model : ScoringModel
        As `resumed_model` returns it.
    stop : StopToken, optional
        Ends or pauses the run.
    reason : str
        Why fields are taken again.
    pause_after : int, optional
        After how many bad fields in a row the run pauses (`hcc_scope.session.bad_fields`); without it, it does not.

    Raises
    ------
    HccScopeError
        If the rig is not set as the store states, or the section cannot be continued: the store is then as it was,
        or recovered. What goes wrong later is in the outcome.
    """
    facts: dict[str, TagValue] = {RESUMED_AT: section.progress.next_field, LEFT_OUT: section.progress.n_skipped}
    skipped: int | None = section.progress.n_skipped
    if section.retakes:
        facts, skipped = {"retakes": ", ".join(str(seq) for seq in section.retakes)}, None
    with ExitStack() as unused:
        unused.callback(source.put_back)
        remarks = list(_settings_changed(section, rig))
        for seq in section.retakes:
            source.retake(seq, reason)
        unused.pop_all()
    run = continue_section(
        source,
        scoring_model,
        section.store.path,
        stop,
        facts=facts,
        skipped=skipped,
        plan_open=section.stays_open,
        bad_fields=BadFieldWatch.of_plan(section.plan, pause_after),
    )
    for remark in remarks:
        run.session.remark(remark)
    return run


def _settings_changed(section: ResumableSection, rig: OpenRig) -> Iterator[str]:
    """Refuse a rig that is not set as in the store; yield what differs and makes no number untrue."""
    store, path = section.store, section.store.path
    now = json.loads(settings_now(rig, painted=section.specimen is not None).model_dump_json())
    then = _stored_settings(store)
    name = store.spec.provenance.get("rig")
    if name is not None and rig.microscope.rig_name is not None and name != rig.microscope.rig_name:
        raise StoreError(
            f"{path} cannot be resumed: it was made on the rig {name}, and this is {rig.microscope.rig_name}",
            hint="Open the rig of the first part, or start a new section.",
        )
    for key, words in _SETTINGS.items():
        if key in then and not _equal(then[key], now.get(key)):
            raise StoreError(
                f"{path} cannot be resumed: the {words} was {_shown(then[key])}, and now it is {_shown(now.get(key))}",
                hint="Set it as it was, or start a new section.",
            )
    if store.spec.rig_sha256 not in (None, rig.microscope.rig_sha256):
        yield "the configuration file of the rig is another one than in the first part"


def _stored_settings(store: SectionStore) -> dict[str, object]:
    """Return the settings of a store's rig; exposure and gain are those of its last frame."""
    settings: dict[str, object] = {}
    recorded = store.spec.provenance.get(SETTINGS_KEY)
    if isinstance(recorded, str):
        with suppress(ValueError):
            found = json.loads(recorded)
            settings = dict(found) if isinstance(found, dict) else {}
    last = next((entry for entry in reversed(store.journal) if entry is not None), None)
    if last is not None and not math.isnan(last.exposure_ms):
        settings["exposure_ms"] = last.exposure_ms
    if last is not None and settings.get("em_gain") is not None:  # else it was switched off, or there is none
        settings["em_gain"] = last.em_gain
    return settings


def _equal(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_SAME)
    return one == other


def _shown(value: object) -> str:
    return "not known" if value is None else f"{value:g}" if isinstance(value, float) else f"{value}"
