"""How the microscope was set during a section, how it was focused, and by what its frames were corrected: for people.

All of it is what the store recorded; what it did not record is stated as such.
"""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TYPE_CHECKING

import pydantic

from hcc_scope.colour import CONVERSIONS, describe_conversion
from hcc_scope.errors import StoreError
from hcc_scope.flag_texts import FLAG_TEXTS
from hcc_scope.focus.record import PlaneRecord, focus_records
from hcc_scope.formatting import capital, counted, format_number, format_utc, percent, significant
from hcc_scope.readings import LAMP_TAG
from hcc_scope.report.control_charts import CHARTS
from hcc_scope.shading.reference import Manifest
from hcc_scope.storage.import_record import import_record
from hcc_scope.storage.run_log import read_run_log
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hcc_scope.quality import QualityLimits
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import SectionScore, TagValue

__all__ = ["focus_rows", "reading_rows", "setting_rows", "shading_rows"]

_MOST_REFUSED = 20
"""Searches without a focus that are listed one by one."""
_MOST_SOURCES = 10
"""Imported files that are named."""
_NOT_RECORDED = "not recorded"


def setting_rows(store: SectionStore) -> list[tuple[str, str]]:
    """Return how camera, light and objective were set, from the lines of all frames."""
    spec, provenance = store.spec, store.recorded.provenance
    entries = [entry for entry in store.journal if entry is not None]
    pixel_um = f"{significant(spec.pixel_size_um, 4)} um" if spec.pixel_size_um > 0 else "not known"
    rows = [
        ("camera", f"{provenance.camera or ''} ({provenance.camera_library or 'unknown'})".strip()),
        ("frames", f"{spec.frame_shape_yx[1]} x {spec.frame_shape_yx[0]} px, {spec.bit_depth} bit"),
        ("pixel size", pixel_um),
        ("objective", _texts(entry.objective for entry in entries)),
        ("exposure", _range((entry.exposure_ms for entry in entries), " ms")),
        ("EM gain", _range((entry.em_gain for entry in entries), "")),
        ("temperature of the camera", _range((entry.temperature_c for entry in entries), " °C")),
    ]
    lamp = [entry.tags[LAMP_TAG] for entry in entries if LAMP_TAG in entry.tags]
    if lamp:
        rows.append(("level of the lamp", _range((_as_number(value) for value in lamp), "")))
    return [*rows, ("a tile is left out", _limits(provenance.quality)), *_import_rows(store)]


def _import_rows(store: SectionStore) -> list[tuple[str, str]]:
    """Return which images were imported and how their numbers became counts; none for a section from a camera."""
    record = import_record(store.spec.provenance)
    if record is None:
        return []
    names = [PurePath(one.path.replace("\\", "/")).name for one in record.sources]
    more = f" and {len(names) - _MOST_SOURCES:,} more" if len(names) > _MOST_SOURCES else ""
    images = counted(sum(one.n_images for one in record.sources), "image")
    formats = ", ".join(dict.fromkeys(one.format for one in record.sources))
    rows = [("imported from", f"{', '.join(names[:_MOST_SOURCES])}{more} ({images}, {formats})")]
    if record.colour in CONVERSIONS:
        rows.append(("colour", describe_conversion(record.colour)))
    if record.float_range is not None:
        low, high = record.float_range
        rows.append(("floating-point numbers", f"{low:g} is no light, {high:g} is full scale"))
    return [
        *rows,
        ("pixel size of the images", "given at the import" if record.pixel_size_given else "as they state it"),
    ]


def _limits(limits: QualityLimits) -> str:
    """Return from where on a tile is not used, in the words of its flags."""
    names = {flag: text.name for flag, text in FLAG_TEXTS.items()}
    return "; ".join(
        (
            f"{names[QualityFlag.NO_TISSUE]}: less than {percent(limits.tissue_fraction_min)} of it textured",
            f"{names[QualityFlag.OUT_OF_FOCUS]}: focus below {significant(limits.focus_min)}",
            f"{names[QualityFlag.SATURATED]}: over {percent(limits.saturated_fraction_max)} of its pixels",
            f"{names[QualityFlag.UNDER_EXPOSED]}: mean below {percent(limits.mean_level_min)} of full scale",
        )
    )


def reading_rows(readings: Mapping[str, TagValue]) -> list[tuple[str, str]]:
    """Return what a section showed of its microscope, by the titles of the control charts; none if not recorded.

    Its focus is among the `focus_rows`.
    """
    values = [(kind, kind.value(readings)) for kind in CHARTS if kind.name != "focus"]
    return [
        (f"{kind.title}, median", f"{significant(value)}{kind.unit}") for kind, value in values if value is not None
    ]


def focus_rows(store: SectionStore, score: SectionScore) -> tuple[list[tuple[str, str]], list[str]]:
    """Return how a section was focused, and the sentences that a reader must know about it.

    Parameters
    ----------
    store : SectionStore
    score : SectionScore
        Of the section; it has the number of tiles that are out of focus.
    """
    blurred = score.tiles_excluded.get(FLAG_TEXTS[QualityFlag.OUT_OF_FOCUS].key, 0)
    rows = [("tiles out of focus, not in the score", f"{blurred:,}")]
    outcome = store.recorded.outcome
    median = None if outcome is None else _as_number(outcome.readings.get("focus"))
    if median is not None:
        limit = significant(store.recorded.provenance.quality.focus_min)
        rows.append(("focus of the tiles with tissue, median", f"{significant(median)}; limit {limit}"))
    try:
        log = read_run_log(store.path)
    except StoreError as error:
        return [*rows, ("searches", f"not known: {error.message}")], []
    if log is None:
        return [*rows, ("searches", "not known: the store has no log of its run")], []
    records = focus_records(log.events)
    searches = [one for one in records if not isinstance(one, PlaneRecord)]
    refused = [one for one in searches if not one.accepted]
    if not searches:
        return [*rows, ("searches", "none during the run")], []
    rows.append(("searches", f"{len(searches):,}, of which {len(searches) - len(refused):,} found the focus"))
    rows += [("plane", capital(one.explanation)) for one in records if isinstance(one, PlaneRecord)]
    rows += [(f"without a focus, {one.where}", one.explanation) for one in refused[:_MOST_REFUSED]]
    if more := len(refused[_MOST_REFUSED:]):
        rows.append(("further searches without a focus", f"{more:,}"))
    return rows, [f"{counted(len(refused), 'search', 'searches')} found no focus"] if refused else []


def shading_rows(store: SectionStore) -> list[tuple[str, str]]:
    """Return by what the frames were corrected before they were classified; the stored frames are raw."""
    provenance = store.recorded.provenance
    rows = [("correction before classification", provenance.correction)]
    if provenance.corrected:
        rows += [
            (f"{kind} field", _reference(store.spec.provenance.get(f"shading_{kind}"))) for kind in ("dark", "flat")
        ]
    return rows


def _reference(recorded: TagValue) -> str:
    try:
        one = Manifest.model_validate_json(recorded if isinstance(recorded, str) else "")
    except pydantic.ValidationError:
        return _NOT_RECORDED
    how = "estimated from tissue" if one.estimated else f"{counted(one.shots, 'shot')}"
    return f"{one.name}, {how}, {format_utc(one.t_utc, seconds=False)}, sha256 {one.pixels_sha256}"


def _as_number(value: TagValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _range(values: Iterable[float | None], unit: str) -> str:
    """Return from where to where a setting was."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return _NOT_RECORDED
    low, high = (format_number(end, 3) for end in (min(known), max(known)))
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def _texts(values: Iterable[str | None]) -> str:
    found: Sequence[str] = sorted({value for value in values if value})
    return ", ".join(found) or _NOT_RECORDED
