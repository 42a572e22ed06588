"""Whether a run can go on in the store of another one: frames and numbers of both parts must mean the same.

A score rests on all frames of a store, so whatever changes a frame's pixels, its place or its result has to be as it
was. What describes the run alone (versions, the rig file, settings) may differ, and is recorded for each part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.quality import QualityLimits
from hcc_scope.score_rule import LATTICE_KEY, WEIGHT_KEY
from hcc_scope.storage.shading_copy import is_corrected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.types import RunSpec, TagValue

__all__ = ["refuse_another_section"]

_NEW = "or start a new section"
_ONE_COURSE = ("time_series", "sequence")
_SPECIMEN = ("specimen", "phantom_seed", "phantom_class", "phantom_day")
_CARD = {
    "temperature": "temperature",
    "decision_threshold": "decision threshold",
    "decision_threshold_low": "lower end of the decision threshold's interval",
    "decision_threshold_high": "upper end of the decision threshold's interval",
    "unlike_threshold": "limit of 'unlike training'",
}
"""Keys of the provenance that a model's card gives."""


def refuse_another_section(path: Path, recorded: RunSpec, now: RunSpec) -> None:
    """Refuse to continue a store by a run that is not as the store's own.

    Parameters
    ----------
    path : Path
        The store.
    recorded : RunSpec
        Its spec.
    now : RunSpec
        Of the run that would continue it, its correction by dark and flat fields included.

    Raises
    ------
    StoreError
        With the first difference, and what to do about it.
    """
    for problem, hint in _differences(recorded, now):
        raise StoreError(f"{path} cannot be continued: {problem}", hint=hint)


def _differences(recorded: RunSpec, now: RunSpec) -> Iterator[tuple[str, str]]:
    for what, one, other in (
        ("animal", recorded.animal_id, now.animal_id),
        ("section", recorded.section_id, now.section_id),
    ):
        if one != other:
            yield f"it is of {what} {one}, not {other}", f"Give the {what} of the store, {_NEW}."
    if recorded.sampling in _ONE_COURSE:
        name = recorded.sampling.replace("_", " ")
        yield f"its frames are one {name}, and a gap would make its interval wrong", "Start a new section."
    yield from _differences_of_frames(recorded, now)
    yield from _differences_of_scoring(recorded, now)
    if recorded.sampling != now.sampling:
        one, other = (name.replace("_", " ") for name in (recorded.sampling, now.sampling))
        hint = f"Choose the fields in the same way, {_NEW}."
        yield f"the sampling of its fields is '{one}', and now it is '{other}'", hint
    yield from _differences_of_specimen(recorded, now)
    yield from _differences_of_shading(recorded, now)


def _differences_of_frames(recorded: RunSpec, now: RunSpec) -> Iterator[tuple[str, str]]:
    if recorded.frame_shape_yx != now.frame_shape_yx:
        one, other = (f"{width} x {height} px" for height, width in (recorded.frame_shape_yx, now.frame_shape_yx))
        hint = f"Set binning and region of the camera as they were, {_NEW}."
        yield f"its frames have {one}, and the camera's now have {other}", hint
    if recorded.bit_depth != now.bit_depth:
        hint = f"Set the bit depth of the camera as it was, {_NEW}."
        yield f"its frames have {recorded.bit_depth} bit, and the camera's now have {now.bit_depth} bit", hint
    if recorded.pixel_size_um != now.pixel_size_um:
        hint = f"Take the objective of the first part, {_NEW}."
        yield f"its pixel size is {recorded.pixel_size_um} um, and now it is {now.pixel_size_um} um", hint
    if recorded.camera_axes != now.camera_axes:
        hint = f"Turn the camera as it was, {_NEW}."
        yield f"its camera axes are {recorded.camera_axes}, and now they are {now.camera_axes}", hint


def _differences_of_scoring(recorded: RunSpec, now: RunSpec) -> Iterator[tuple[str, str]]:
    then, present = recorded.provenance, now.provenance
    if recorded.model_sha256 != now.model_sha256:
        one, other = (_model(spec) for spec in (recorded, now))
        yield f"it was classified with {one}, and now {other} is chosen", f"Choose the model of the first part, {_NEW}."
    if recorded.tile_px != now.tile_px:
        hint = f"Choose the model of the first part, {_NEW}."
        yield f"its tiles have {recorded.tile_px} px, and now they have {now.tile_px} px", hint
    if then.get("engine") != present.get("engine"):
        hint = f"Choose the engine {then['engine']}, {_NEW}." if then.get("engine") else "Start a new section."
        yield f"it was classified on {_shown(then.get('engine'))}, and now on {_shown(present.get('engine'))}", hint
    for key, name in _CARD.items():
        if then.get(key) != present.get(key):
            hint = f"Use the model's card of that time, {_NEW}."
            yield f"the {name} of its model is {_shown(then.get(key))}, and now it is {_shown(present.get(key))}", hint
    if then.get("score_unlike", False) != present.get("score_unlike", False):
        one, other = ("scored" if of.get("score_unlike") else "left out" for of in (then, present))
        hint = f"Choose as in the first part, {_NEW}."
        yield f"tiles unlike the training tiles were {one} in it, and now they would be {other}", hint
    if then.get(WEIGHT_KEY) != present.get(WEIGHT_KEY):
        one, other = ("usable tiles" if of.get(WEIGHT_KEY) == "tissue" else "fields" for of in (then, present))
        hint = f"Choose as in the first part, {_NEW}."
        yield f"its score is a mean over {one}, and now it would be one over {other}", hint
    if then.get(LATTICE_KEY) != present.get(LATTICE_KEY):
        one, other = (_shown(of.get(LATTICE_KEY)) for of in (then, present))
        hint = f"Choose the plan of the first part, {_NEW}."
        yield f"its fields come from a lattice of {one}, and now they would come from one of {other}", hint
    for name in QualityLimits().as_dict():
        key = f"quality_{name}"
        if then.get(key) != present.get(key):
            words = f"the quality limit {name} is {_shown(then.get(key))} in it, and now {_shown(present.get(key))}"
            yield words, "Start a new section, or use the version of HCC-Scope that made it."


def _differences_of_specimen(recorded: RunSpec, now: RunSpec) -> Iterator[tuple[str, str]]:
    one, other = ({key: spec.provenance.get(key) for key in _SPECIMEN} for spec in (recorded, now))
    if one != other:
        words = " and now ".join(_specimen(of) for of in (one, other))
        yield f"its specimen is {words}", "Start a new section: a score is of one specimen."


def _differences_of_shading(recorded: RunSpec, now: RunSpec) -> Iterator[tuple[str, str]]:
    then, present = recorded.provenance, now.provenance
    if is_corrected(then) != is_corrected(present):
        one, other = (
            "corrected by a dark and a flat field" if is_corrected(of) else "classified raw" for of in (then, present)
        )
        yield f"its frames are {one}, and now they would be {other}", f"Correct them as in the first part, {_NEW}."
    elif is_corrected(then):
        for kind in ("dark", "flat"):
            key = f"shading_{kind}_sha256"
            if then.get(key) != present.get(key):
                hint = f"Correct them by the {kind} field that the store keeps, {_NEW}."
                yield f"its frames are corrected by another {kind} field than the present one", hint


def _model(spec: RunSpec) -> str:
    if spec.model_sha256 is None:
        return "no model"
    return f"the model {spec.provenance.get('model', 'without a name')} (sha256 {spec.model_sha256[:12]})"


def _specimen(facts: dict[str, TagValue]) -> str:
    shown = [str(value) for value in facts.values() if value is not None]
    return f"'{', '.join(shown)}'" if shown else "not a phantom"


def _shown(value: TagValue) -> str:
    return "not recorded" if value is None else f"{value}"
