"""Control charts of a microscope, from what its sections recorded (`hcc_scope.readings`).

Only manifests are read, one small file a store. A store without readings (of an earlier version, unfinished, or
recovered) is left out and counted.

Sections are charted apart by rig, camera, objective and size of frame (another binning or region has another level,
noise and vignette). A reading that depends on settings is compared with sections of the same settings only.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from hcc_scope.control_chart import BASELINE_MOST, points_of
from hcc_scope.errors import StoreDamagedError, StoreError
from hcc_scope.formatting import counted, significant
from hcc_scope.storage import values
from hcc_scope.storage.find_stores import DEEPEST, find_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from hcc_scope.control_chart import Point
    from hcc_scope.types import TagValue

__all__ = [
    "CHARTS",
    "Chart",
    "ChartKind",
    "ControlCharts",
    "SectionReadings",
    "control_charts",
    "objective_name",
    "read",
    "rig_name",
    "warnings_before",
]

_RIG_FACTS = ("rig", "camera", "camera_library", "specimen")


@dataclass(frozen=True, slots=True)
class ChartKind:
    """One thing that is followed."""

    name: str
    title: str
    unit: str
    value: Callable[[Mapping[str, TagValue]], float | None]
    """Its value in the readings of a section; None if they have none."""
    least_share: float = 0.0
    """Smallest spread that is believed, as a share of the value."""
    least: float = 0.0
    """The same, in the value's own unit."""
    advice: str = ""
    """What to look at if it is outside."""
    settings: tuple[str, ...] = ()
    """Readings that it depends on: only sections that agree in them with the newest one are charted."""


@dataclass(frozen=True, slots=True)
class SectionReadings:
    """What one section, or one part of it, recorded of its microscope."""

    store: Path
    t_utc: datetime
    rig: str
    """As of `rig_name`."""
    objective: str
    """As of `objective_name`."""
    values: Mapping[str, TagValue]


@dataclass(frozen=True, slots=True)
class Chart:
    """The course of one reading, of one rig with one objective."""

    kind: ChartKind
    rig: str
    objective: str
    sections: tuple[SectionReadings, ...]
    """Those that have this reading, in order of time."""
    points: tuple[Point, ...]
    """One for each of them."""
    settings: str
    """At which they were taken, as text, where the reading depends on them; else empty."""
    is_current: bool
    """Whether the newest section of this rig and objective has this reading."""

    @property
    def title(self) -> str:
        """What is charted, with the settings that it depends on."""
        return f"{self.kind.title} at {self.settings}" if self.settings else self.kind.title

    def span(self) -> tuple[float, float]:
        """Return the lowest and the highest of all values and limits."""
        values = [point.value for point in self.points]
        limits = [point.limits for point in self.points if point.limits is not None]
        ends = [*values, *(one.low for one in limits), *(one.high for one in limits)]
        return min(ends), max(ends)

    @property
    def is_out(self) -> bool:
        """Whether the newest section lies outside the limits, or on a drift."""
        return self.is_current and self.points[-1].verdict in ("outside", "drift")

    def describe_last(self) -> str:
        """Return the last reading, and its limits, as text."""
        last = self.points[-1]
        shown = f"{significant(last.value)}{self.kind.unit}"
        if last.limits is None:
            return shown
        low, high = significant(last.limits.low), significant(last.limits.high)
        return f"{shown} (limits {low} to {high})"


@dataclass(frozen=True, slots=True)
class ControlCharts:
    """All charts of some folders."""

    charts: tuple[Chart, ...]
    n_stores: int
    n_without: int
    """Stores without readings."""
    n_unreadable: int
    n_folders_unread: int
    """Folders that cannot be opened, so that stores in them are not counted."""

    def describe(self) -> str:
        """Return how many sections there are, and which ones were left out."""
        parts = [
            f"{counted(self.n_without, 'section')} without readings" if self.n_without else "",
            f"{counted(self.n_unreadable, 'section')} that cannot be read" if self.n_unreadable else "",
            f"{counted(self.n_folders_unread, 'folder')} that cannot be opened" if self.n_folders_unread else "",
        ]
        left_out = " and ".join(filter(None, parts))
        return counted(self.n_stores, "section") + (f"; left out: {left_out}" if left_out else "")

    def warnings(self) -> list[str]:
        """Return a sentence for each chart whose last section is out."""
        return [
            f"{chart.title} of the last section with {chart.rig}, {chart.objective}, "
            f"{'is outside its limits' if chart.points[-1].verdict == 'outside' else 'has drifted'}: "
            f"{chart.describe_last()}. {chart.kind.advice}"
            for chart in self.charts
            if chart.is_out
        ]


def _reading(name: str) -> Callable[[Mapping[str, TagValue]], float | None]:
    def value(values: Mapping[str, TagValue]) -> float | None:
        return _number(values.get(name))

    return value


def _number(found: TagValue) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _per_light(name: str) -> Callable[[Mapping[str, TagValue]], float | None]:
    """Return a level per ms of exposure and unit of EM gain."""

    def value(values: Mapping[str, TagValue]) -> float | None:
        level, exposure_ms = _number(values.get(name)), _number(values.get("exposure_ms"))
        gain = _number(values.get("em_gain"))
        if level is None or exposure_ms is None or exposure_ms <= 0 or (gain is not None and gain <= 0):
            return None
        return 1000 * level / (exposure_ms * (1.0 if gain is None else gain))

    return value


def _per_gain(values: Mapping[str, TagValue]) -> float | None:
    """Return the counts that one electron makes, per unit of EM gain: the lamp does not enter it."""
    noise, gain = _number(values.get("noise")), _number(values.get("em_gain"))
    return None if noise is None or gain is None or gain <= 0 else noise / gain


_SETTINGS = {"exposure_ms": "{:.3g} ms", "em_gain": "EM gain {:.3g}"}
_LIGHT = "Look at lamp, diaphragm, filters and condenser."
CHARTS: tuple[ChartKind, ...] = (
    ChartKind(
        name="lamp_level",
        title="Lamp level",
        unit="",
        value=_reading("lamp_level"),
        least_share=0.005,
        advice="Set the lamp as for earlier runs.",
    ),
    ChartKind(
        name="background",
        title="Background",
        unit=" of full scale",
        value=_reading("background"),
        least_share=0.01,
        advice=_LIGHT,
        settings=("exposure_ms", "em_gain"),
    ),
    ChartKind(
        name="response",
        title="Background per exposure and gain",
        unit=" of full scale / s",
        value=_per_light("background"),
        least_share=0.01,
        advice="Look at lamp and diaphragm; if they are as before, the EM register may have aged.",
    ),
    ChartKind(
        name="tissue_response",
        title="Tissue level per exposure and gain",
        unit=" of full scale / s",
        value=_per_light("tissue_level"),
        least_share=0.03,
        advice="Look at staining and thickness of the section, then at lamp and EM gain.",
    ),
    ChartKind(
        name="focus",
        title="Focus",
        unit="",
        value=_reading("focus"),
        least_share=0.03,
        advice="Look at the focus, the cover glass and the objective's front lens.",
    ),
    ChartKind(
        name="vignette",
        title="Vignette",
        unit="",
        value=_reading("vignette"),
        least_share=0.005,
        advice="Look at condenser and field diaphragm, and take a new flat field.",
    ),
    ChartKind(
        name="noise",
        title="Noise",
        unit=" counts",
        value=_reading("noise"),
        least_share=0.02,
        advice="Look at EM gain, read-out mode and temperature.",
        settings=("em_gain",),
    ),
    ChartKind(
        name="em_gain_response",
        title="EM gain response",
        unit=" counts",
        value=_per_gain,
        least_share=0.02,
        advice="Look at read-out mode and temperature; if they are as before, the EM register may have aged.",
    ),
    ChartKind(
        name="temperature",
        title="Sensor temperature",
        unit=" °C",
        value=_reading("temperature_c"),
        least=0.3,
        advice="Wait for the cooler; check its fan or coolant.",
    ),
)
"""In the order in which light passes."""


def read(store: Path) -> list[SectionReadings]:
    """Return what a store recorded of its microscope: once, or for each part of a section that was continued.

    Raises
    ------
    StoreError
        If its manifest cannot be read, or states what no run records.
    """
    from hcc_scope.storage.facts import recorded_attributes

    try:
        return _readings_of(store, recorded_attributes(store))
    except OSError as error:
        raise StoreError(f"{store} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise StoreDamagedError(f"{store} is damaged: {error}") from error


def _readings_of(store: Path, attributes: dict[str, Any]) -> list[SectionReadings]:
    found: list[tuple[datetime, dict[str, TagValue]]] = []
    for key, began_utc, outcome in _ends(attributes):
        ended = values.object_of(outcome, key)
        readings = values.scalars(ended.get("readings", {}), f"{key}.readings")
        if readings and readings not in [earlier for _, earlier in found]:  # a part without a frame kept the last ones
            found.append((began_utc, readings))
    if not found:
        return []
    spec = values.object_of(values.member(attributes, "spec"), "spec")
    facts = values.object_of(spec.get("provenance", {}), "spec.provenance")
    pixel_size_um = values.number(values.member(spec, "pixel_size_um"), "spec.pixel_size_um")
    height, width = values.numbers(values.member(spec, "frame_shape_yx"), "spec.frame_shape_yx", 2)
    shape_yx = int(height), int(width)
    return [
        SectionReadings(
            store,
            began_utc,
            rig_name(facts),
            objective_name(_text(readings.get("objective")), pixel_size_um, shape_yx),
            readings,
        )
        for began_utc, readings in found
    ]


def _ends(attributes: dict[str, Any]) -> list[tuple[str, datetime, object]]:
    """Return for each part of a section where its end stands, when it began, and that end."""
    last = attributes.get("outcome", {})
    parts = attributes.get("parts")
    if not parts:
        return [("outcome", values.time_of(values.member(attributes, "created_utc"), "created_utc"), last)]
    if not isinstance(parts, list):
        raise ValueError("parts is no list")  # noqa: TRY004 - one kind of error for one kind of damage
    found: list[tuple[str, datetime, object]] = []
    for k, one in enumerate(parts):
        name = f"parts[{k}]"
        part = values.object_of(one, name)
        began_utc = values.time_of(values.member(part, "began_utc", f"{name}."), f"{name}.began_utc")
        is_last = k == len(parts) - 1
        key, end = ("outcome", last) if is_last else (f"{name}.outcome", part.get("outcome", {}))
        found.append((key, began_utc, end))
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def objective_name(label: str | None, pixel_size_um: float, shape_yx: tuple[int, int]) -> str:
    """Return the name under which an objective is charted, with the size of the frames, which binning changes.

    Parameters
    ----------
    label : str or None
        Of the objective; the pixel size stands for it where no device reports one.
    pixel_size_um : float
    shape_yx : (int, int)
        Of a frame.
    """
    return f"{label or f'{pixel_size_um:g} um/px'}, {shape_yx[1]} x {shape_yx[0]} px"


def rig_name(provenance: Mapping[str, object]) -> str:
    """Return the name under which a rig's sections are charted: its file, its camera, and a specimen that is no tissue.

    Parameters
    ----------
    provenance : mapping
        Of a `hcc_scope.types.RunSpec`.
    """
    rig, camera, library, specimen = (_text(provenance.get(key)) for key in _RIG_FACTS)
    name = f"{camera or 'unknown camera'} ({library or 'unknown'})"
    return ", ".join(part for part in (rig, name, specimen) if part)


def warnings_before(out_dir: Path, rig: str, objective: str) -> list[str]:
    """Return a sentence for each reading that was out in the last section of a rig with an objective.

    For the start of a section: only the folder that it goes to is looked at.

    Parameters
    ----------
    out_dir : Path
    rig : str
        As of `rig_name`.
    objective : str
        As of `objective_name`.
    """
    return control_charts([out_dir], rig=rig, objective=objective, deepest=0).warnings()


def control_charts(
    folders: Iterable[Path], *, rig: str | None = None, objective: str | None = None, deepest: int = DEEPEST
) -> ControlCharts:
    """Return the control charts of the sections in some folders.

    Parameters
    ----------
    folders : iterable of Path
        Stores, or folders that hold them.
    rig, objective : str, optional
        Only of this one.
    deepest : int
        As for `find_stores`.
    """
    groups: dict[tuple[str, str], list[SectionReadings]] = {}
    unread: list[Path] = []
    stores = find_stores(folders, deepest, unread.append)
    n_without = n_unreadable = 0
    for store in stores:
        try:
            found = read(store)
        except StoreError:
            n_unreadable += 1
            continue
        n_without += not found
        for one in found:
            if (rig is None or one.rig == rig) and (objective is None or one.objective == objective):
                groups.setdefault((one.rig, one.objective), []).append(one)
    charts = [
        chart
        for (name, lens), sections in sorted(groups.items())
        for chart in _charts(name, lens, sorted(sections, key=lambda one: (one.t_utc, one.store)))
    ]
    return ControlCharts(tuple(charts), len(stores), n_without, n_unreadable, len(unread))


def _charts(rig: str, objective: str, sections: Sequence[SectionReadings]) -> Iterable[Chart]:
    for kind in CHARTS:
        measured = [(section, value) for section in sections if (value := kind.value(section.values)) is not None]
        if not measured:
            continue
        newest = measured[-1][0]
        wanted = _settings(kind, newest)
        measured = [(section, value) for section, value in measured if _settings(kind, section) == wanted]
        values = [value for _, value in measured]
        # the median: a wild first reading would make every later one look alike
        least_sd = max(kind.least, kind.least_share * abs(median(values[:BASELINE_MOST])))
        yield Chart(
            kind,
            rig,
            objective,
            tuple(section for section, _ in measured),
            tuple(points_of(values, least_sd)),
            ", ".join(wanted),
            newest is sections[-1],
        )


def _settings(kind: ChartKind, section: SectionReadings) -> tuple[str, ...]:
    """Return the settings that a reading depends on, as far as the section recorded them."""
    found = ((name, _number(section.values.get(name))) for name in kind.settings)
    return tuple(_SETTINGS[name].format(value) for name, value in found if value is not None)
