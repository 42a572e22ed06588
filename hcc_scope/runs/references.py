"""The dark and flat fields of an open rig: how they are, which correct a section, and how they are estimated.

The rule which references count is `hcc_scope.shading.freshness`; taking them is `hcc_scope.runs.reference_capture`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import pydantic

from hcc_scope.errors import ConfigError, StoreError, UsageError
from hcc_scope.formatting import capital
from hcc_scope.runs.model_shading import refusal_note, wanted_shading
from hcc_scope.shading.estimate import estimate_flat, even_dark
from hcc_scope.shading.files import keep, list_references, load_reference, load_shading
from hcc_scope.shading.freshness import MAX_AGE, ReferencesState, ReferenceState, judge, unlike_settings
from hcc_scope.shading.making import Refusal
from hcc_scope.shading.reference import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.rig.rigfile import Rig
    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.shading.correction import Shading
    from hcc_scope.shading.reference import Reference
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import TagValue

__all__ = [
    "SETTINGS_KEY",
    "SHADING_CHOICES",
    "ReferencesThere",
    "SectionReferences",
    "ShadingChoice",
    "estimate_references",
    "need_references_dir",
    "references_state",
    "references_there",
    "section_references",
    "settings_now",
]

ShadingChoice = Literal["auto", "none"]
SHADING_CHOICES: tuple[ShadingChoice, ...] = ("auto", "none")
SETTINGS_KEY = "rig_settings"
"""Key of a store's provenance under which the rig's settings stand."""
_NO_FOLDER = "the rig file names no references_dir"


@dataclass(frozen=True, slots=True)
class SectionReferences:
    """What a section is corrected by, and what its store records about it."""

    shading: Shading | None
    facts: Mapping[str, TagValue]
    note: str
    """For the operator, as a sentence."""
    stale: bool
    """Whether references are there that would correct it if they were fresh."""


def settings_now(rig: OpenRig, *, painted: bool = False) -> Settings:
    """Return the settings of a rig that decide which references fit, as they are now.

    Parameters
    ----------
    rig : OpenRig
    painted : bool
        Whether a phantom is painted over the camera's image: it is another camera then.
    """
    from hcc_scope.microscope.device_controls import DeviceControls

    state = DeviceControls(rig.microscope).read()
    camera = state.camera
    return Settings(
        rig=rig.name,
        cfg_sha256=rig.microscope.rig_sha256,
        camera=f"{camera.label}{' with a phantom' if painted else ''}",
        objective=None if state.objective is None else state.objective.current,
        binning=camera.binning,
        roi=camera.roi,
        bit_depth=camera.bit_depth,
        exposure_ms=camera.exposure_ms,
        em_gain=None if camera.em_switch is False else camera.em_gain,
        readout=camera.readout,
    )


def need_references_dir(rig: Rig | None) -> Path:
    """Return the folder that keeps a rig's references.

    Raises
    ------
    ConfigError
        If the rig file names none.
    """
    if rig is not None and rig.references_dir is not None:
        return rig.references_dir
    where = "without a rig file there is" if rig is None or rig.path is None else f"{rig.path}: there is"
    raise ConfigError(
        f"{where} no folder for dark and flat fields",
        hint="Name one as references_dir in the rig file, for example 'references_dir: references'.",
    )


def references_state(rig: OpenRig, settings: Settings | None = None, at: datetime | None = None) -> ReferencesState:
    """Return how the dark and the flat field of a rig are: fresh, stale or missing. Never raises over their files.

    Parameters
    ----------
    rig : OpenRig
    settings : Settings, optional
        Those of `settings_now` by default.
    at : datetime, optional
        Now by default.
    """
    if rig.rig is None or rig.rig.references_dir is None:
        return ReferencesState(*(ReferenceState(kind, "missing", _NO_FOLDER) for kind in ("dark", "flat")))
    kept = list_references(rig.rig.references_dir)
    return judge(
        kept.manifests,
        settings_now(rig) if settings is None else settings,
        datetime.now(UTC) if at is None else at,
        kept.problems,
    )


@dataclass(frozen=True, slots=True)
class ReferencesThere:
    """The references of a rig that is set for a section, and whether they are asked for."""

    settings: Settings
    state: ReferencesState
    asked_for: bool
    has_folder: bool
    shading: Shading | None
    """The correction by fresh references; None without it, or if it was not loaded."""

    def describe(self) -> str:
        """Return how they are, as half a sentence."""
        if not self.asked_for:
            return "no correction is asked for"
        return self.state.describe() if self.has_folder else f"no dark and flat fields: {_NO_FOLDER}"


def references_there(
    rig: OpenRig,
    choice: ShadingChoice = "auto",
    *,
    painted: bool = False,
    exposure_ms: float | None = None,
    load: bool = True,
) -> ReferencesThere:
    """Return what there is to correct frames with, on a rig as it is set now.

    Parameters
    ----------
    rig : OpenRig
    choice : {"auto", "none"}
        ``none``: classify raw frames.
    painted : bool
        As in `settings_now`.
    exposure_ms : float, optional
        Of the frames, where it is not the one that is set.
    load : bool
        Whether to read the references that count.

    Raises
    ------
    ConfigError
        If a reference that counts is damaged.
    """
    settings = settings_now(rig, painted=painted)
    if exposure_ms is not None:
        settings = settings.model_copy(update={"exposure_ms": exposure_ms})
    state = references_state(rig, settings)
    folder = None if rig.rig is None else rig.rig.references_dir
    found = load_shading(folder, state) if load and choice == "auto" and folder is not None else None
    return ReferencesThere(settings, state, choice == "auto", folder is not None, found)


def section_references(
    rig: OpenRig, card: ModelCard, choice: ShadingChoice = "auto", *, painted: bool = False
) -> SectionReferences:
    """Return what corrects a section on a rig that is set for it: its fresh references, unless it is not asked for.

    Adds an event ``reference``.

    Parameters
    ----------
    rig : OpenRig
        With the settings of the section's plan.
    card : ModelCard
        Of the model that classifies; whether it accepts a correction.
    choice : {"auto", "none"}
        ``none``: classify raw frames.
    painted : bool
        As in `settings_now`.

    Raises
    ------
    ConfigError
        If a reference that counts is damaged.
    """
    there = references_there(rig, choice, painted=painted)
    settings, state, found = there.settings, there.state, there.shading
    shading = wanted_shading(card, found)
    if shading is not None:
        estimated = " (estimated from tissue)" if shading.estimated else ""
        note = f"Frames are corrected by dark and flat fields{estimated} before they are classified."
    elif (refused := refusal_note(card, found)) is not None:
        note = refused
    elif choice == "none":
        note = "Frames are classified as they are: no correction is asked for."
    elif not there.has_folder:
        note = f"Frames are classified without dark and flat fields: {_NO_FOLDER}."
    else:
        note = f"Frames are classified without dark and flat fields. {capital(state.describe())}."
    facts: dict[str, TagValue] = {
        "shading": "none",  # a correction writes its own facts over this
        "shading_references": state.describe(),
        SETTINGS_KEY: settings.model_dump_json(),
    }
    rig.microscope.events.add(
        "reference",
        used=shading is not None,
        estimated=shading is not None and shading.estimated,
        dark=state.dark.freshness,
        flat=state.flat.freshness,
        **({} if shading is None else {key: str(shading.facts[key]) for key in _HASHES}),
    )
    stale = shading is None and choice == "auto" and state.freshness == "stale"
    return SectionReferences(shading, facts, note, stale)


_HASHES = ("shading_dark_sha256", "shading_flat_sha256")


# -- estimated from stored fields --------------------------------------------------------------------------------------


def estimate_references(
    stores: Sequence[SectionStore], rig: Rig, rig_name: str, note: Callable[[str], None]
) -> tuple[Reference, ...]:
    """Estimate a flat field from the fields of finished sections, and keep it; a dark field of 0 where there is none.

    Parameters
    ----------
    stores : sequence of SectionStore
        Of this rig and of one setting.
    rig : Rig
        Its folder keeps the result.
    rig_name : str
    note : callable
        Takes sentences about fields that are left out, and on what is assumed.

    Returns
    -------
    tuple of Reference
        What was kept.

    Raises
    ------
    UsageError
        If a store is unfinished, of another rig or setting, or records no settings.
    StoreError
        If there are too few fields, or they do not agree.
    """
    folder = need_references_dir(rig)
    settings = _common_settings(stores, rig_name)
    now = judge(list_references(folder).manifests, settings, datetime.now(UTC))
    newest = max((entry.t_utc for store in stores for entry in store.journal if entry is not None), default=None)
    made: list[Reference] = []
    if now.dark.manifest is not None:
        dark = load_reference(folder, now.dark.manifest)
    else:
        dark = even_dark(settings, newest)
        made.append(dark)
        note("There is no dark field for these settings: an offset of 0 counts is assumed.")
    flat = estimate_flat(_fields(stores, note), dark, settings, newest)
    if isinstance(flat, Refusal):
        raise StoreError(flat.message, hint=flat.hint)
    made.append(flat)
    for one in made:
        keep(folder, one)
    state = judge([one.manifest for one in made], settings, datetime.now(UTC)).flat
    if state.freshness != "fresh":
        note(f"It corrects no section: the flat field is {state.freshness}, as its fields were {state.reason}.")
    return tuple(made)


def _common_settings(stores: Sequence[SectionStore], rig_name: str) -> Settings:
    settings: Settings | None = None
    named: set[Path] = set()
    for store in stores:
        if (place := store.path.resolve()) in named:
            raise UsageError(f"{store.path} is named twice", hint="Its fields would count twice.")
        named.add(place)
        if not store.complete:
            raise UsageError(f"{store.path} is unfinished", hint="Recover it first, or leave it out.")
        recorded = store.spec.provenance.get(SETTINGS_KEY)
        try:
            own = Settings.model_validate_json(recorded if isinstance(recorded, str) else "")
        except pydantic.ValidationError:
            raise UsageError(
                f"{store.path} does not record the settings of its rig",
                hint="Leave it out: an earlier version made it.",
            ) from None
        if own.rig != rig_name:
            raise UsageError(f"{store.path} was acquired with the rig {own.rig}, not {rig_name}")
        if settings is not None and (unlike := _unlike(settings, own)):
            raise UsageError(
                f"{store.path} was acquired with other settings than {stores[0].path}: {', '.join(unlike)}",
                hint="Name stores of one setting.",
            )
        settings = own if settings is None else settings
    if settings is None:
        raise UsageError("no store is named")
    return settings


def _unlike(one: Settings, other: Settings) -> tuple[str, ...]:
    """Return what keeps fields from being those of one light and one dark field."""
    return tuple(dict.fromkeys(name for kind in MAX_AGE for name in unlike_settings(kind, one, other)))


def _fields(stores: Sequence[SectionStore], note: Callable[[str], None]) -> Iterator[NDArray[np.uint16]]:
    for store in stores:
        for item in store.read_ahead(range(store.n_frames), 2):
            if isinstance(item, StoreError):
                note(f"Left out: {item}")
            else:
                yield item.pixels
