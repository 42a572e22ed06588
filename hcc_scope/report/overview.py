"""One picture of a run: where the fields are, the probabilities of their tiles, and the course of the score."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.field_layout import StagePlace, lay_out_places
from hcc_scope.formatting import counted, format_score, format_threshold
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import PositionOrigin, describe_island
from hcc_scope.printable import printable
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.theme_colours import colours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from numpy.typing import NDArray

    from hcc_scope.field_layout import FieldLayout
    from hcc_scope.plans.drawn_sample import DrawnSample

__all__ = [
    "FieldPicture",
    "PlacedFields",
    "SectionPicture",
    "display_window",
    "draw_overview",
    "example_fields",
    "numbered_scores",
    "place_fields",
    "scored_fields",
]

_COLOURS = colours("light")
_PALE = "#f7f7f7"
"""Of a tile at a probability of one half."""
_EXAMPLES = 3
_OF_STAGE = PositionOrigin("stage")
_NOT_TURNED = Orientation()


@dataclass(frozen=True, slots=True)
class FieldPicture:
    """One field as it is drawn."""

    centre_um: tuple[float, float] | None
    """Position x, y of its centre; None if it is not known."""
    size_um: tuple[float, float]
    """Width, height."""
    image: NDArray[np.uint16]
    """(y, x) thumbnail of the raw counts."""
    detail: NDArray[np.uint16]
    """(y, x) the field's middle, fine enough to see nuclei."""
    probabilities: NDArray[np.float32]
    """(rows, cols) probability of *high* per tile; NaN where excluded."""
    score: float | None
    """Mean over included tiles."""
    taken_out: bool = False
    """Whether an operator took it out of the section's score."""
    origin: PositionOrigin = _OF_STAGE
    """How its position was obtained, and in which coordinate frame it is."""
    nth: int | None = None
    """Which one of the fields that the score rests on; None: as it is listed."""


@dataclass(frozen=True, slots=True)
class SectionPicture:
    """One section as it is drawn."""

    title: str
    fields: Sequence[FieldPicture]
    course: NDArray[np.float64]
    """(n, 4): frames so far, score, lower and upper end of the interval."""
    threshold: float
    interval_valid: bool
    outline_um: NDArray[np.float64] | None = None
    threshold_interval: tuple[float, float] | None = None
    """Of the threshold itself; None: not known."""
    step: int = 1
    """One field in so many is drawn; the course rests on all."""
    unreadable: Sequence[str] = ()
    """Why fields are not drawn that cannot be read, a sentence each."""
    sample: DrawnSample | None = None
    """The drawn fields of a guided section, whose outline is that of `outline_um`; None for any other."""
    orientation: Orientation = _NOT_TURNED
    """Of the camera."""

    @property
    def outline_island(self) -> int:
        """The coordinate frame of the outline."""
        return 0 if self.sample is None else self.sample.island


def draw_overview(sections: Sequence[SectionPicture], path: Path, *, subtitle: str) -> Path:
    """Draw all sections, one row each, into a PNG at `path`.

    Columns: the fields at their stage positions, the tile heatmap over them, example fields, and the score's course
    with its interval and threshold.
    """
    import matplotlib as mpl

    # ids and names are shown as they are: a $ begins no formula, and a letter that the font lacks is no one's mistake
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        return _draw(sections, path, printable(subtitle))


def _draw(sections: Sequence[SectionPicture], path: Path, subtitle: str) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = len(sections)
    figure = Figure(figsize=(16, 4.6 * rows + 0.9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"HCC-Scope: {subtitle}\n{RESEARCH_USE_ONLY}", fontsize=12)
    grid = figure.add_gridspec(rows, 4, width_ratios=(1.15, 1.25, 0.46, 1.15))
    for row, section in enumerate(sections):
        display = display_window(section)
        fields_axes = figure.add_subplot(grid[row, 0])
        placed = place_fields(section)
        _draw_fields(fields_axes, section, placed, display)
        heat_axes = figure.add_subplot(grid[row, 1])
        image = _draw_heat(heat_axes, section, placed)
        bar = figure.colorbar(image, ax=heat_axes, shrink=0.8)
        bar.set_label("probability of high, per tile")
        examples = grid[row, 2].subgridspec(_EXAMPLES, 1, hspace=0.05)
        for index, field in enumerate(example_fields(section)):
            axes = figure.add_subplot(examples[index, 0])
            axes.imshow(field.detail, cmap="gray", vmin=display[0], vmax=display[1], interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(
                "" if field.score is None else f"field score {format_score(field.score, section.threshold)}",
                fontsize=8,
                pad=2,
            )
        _draw_course(figure.add_subplot(grid[row, 3]), section)
    figure.savefig(path)
    return path


def display_window(section: SectionPicture) -> tuple[float, float]:
    """Return black and white levels shared by all fields of a section, so that they can be compared."""
    if not section.fields:
        return 0.0, 1.0
    values = np.concatenate([field.detail.ravel() for field in section.fields])
    low, high = np.percentile(values, (0.5, 99.8))
    return float(low), float(max(high, low + 1))


def example_fields(section: SectionPicture) -> list[FieldPicture]:
    """Return the scored fields nearest to the lowest, middle and highest score."""
    scored = sorted(scored_fields(section), key=lambda field: field.score or 0.0)
    if len(scored) <= _EXAMPLES:
        return scored
    return [scored[0], scored[len(scored) // 2], scored[-1]]


def scored_fields(section: SectionPicture) -> list[FieldPicture]:
    """Return the fields that the section's score rests on."""
    return [field for field in section.fields if field.score is not None and not field.taken_out]


def numbered_scores(section: SectionPicture) -> list[tuple[int, float]]:
    """Return number, from 1, and score of the drawn fields that the section's score rests on."""
    return [
        (n if field.nth is None else field.nth, field.score)
        for n, field in enumerate(scored_fields(section), start=1)
        if field.score is not None
    ]


@dataclass(frozen=True, slots=True)
class PlacedFields:
    """Where a section's fields are drawn."""

    layout: FieldLayout
    extents: Sequence[tuple[FieldPicture, tuple[float, float, float, float]]]
    """Left, right, bottom, top in um of each field that is drawn."""

    @property
    def n_left_out(self) -> int:
        """Fields without a position, where others have one: any place would be a false one."""
        return len(self.layout.without_position)

    @property
    def islands_um(self) -> Mapping[int, tuple[float, float, float, float]]:
        """Left, top, width and height of each island, where they are drawn apart; else empty."""
        return self.layout.islands.boxes_um if self.layout.islands.apart else {}

    def drawn_um(self, island: int, x_um: float, y_um: float) -> tuple[float, float]:
        """Return where a place on the stage is drawn."""
        return self.layout.to_picture_um(StagePlace(island, x_um, y_um))


def place_fields(section: SectionPicture) -> PlacedFields:
    """Lay out a section's fields as every export does (`hcc_scope.field_layout`)."""
    fields = dict(enumerate(section.fields))
    corners = [] if section.outline_um is None else section.outline_um.tolist()
    layout = lay_out_places(
        {
            n: None if field.centre_um is None else StagePlace(field.origin.island, *field.centre_um)
            for n, field in fields.items()
        },
        section.fields[0].size_um if fields else (1.0, 1.0),
        section.orientation,
        tracked=any(field.origin.source == "tracked" for field in section.fields),
        outline=[StagePlace(section.outline_island, x, y) for x, y in corners],
    )
    return PlacedFields(layout, [(fields[n], _extent(corner, fields[n])) for n, corner in layout.corners_um.items()])


def _extent(corner_um: tuple[float, float], field: FieldPicture) -> tuple[float, float, float, float]:
    (left, top), (width, height) = corner_um, field.size_um
    return left, left + width, top + height, top


def _frame_axes(axes: Axes, section: SectionPicture, placed: PlacedFields, title: str) -> None:
    extents = np.array([extent for _, extent in placed.extents]).reshape(-1, 4)
    points = [extents[:, :2].ravel(), extents[:, 2:].ravel()]
    if section.outline_um is not None:
        corners = [placed.drawn_um(section.outline_island, x, y) for x, y in section.outline_um.tolist()]
        outline = np.array([*corners, *corners[:1]])
        axes.plot(outline[:, 0], outline[:, 1], color="0.5", linewidth=1)
        points = [np.concatenate([points[0], outline[:, 0]]), np.concatenate([points[1], outline[:, 1]])]
    boxes = placed.islands_um
    for left, top, width, height in boxes.values():
        points = [np.append(points[0], (left, left + width)), np.append(points[1], (top, top + height))]
    if points[0].size:
        margin = 0.03 * max(np.ptp(points[0]), np.ptp(points[1]), 1.0)
        above = 2 * margin if boxes else margin  # room for the names of islands
        axes.set_xlim(points[0].min() - margin, points[0].max() + margin)
        axes.set_ylim(points[1].max() + margin, points[1].min() - above)  # stage y grows downwards, like rows
    axes.set_aspect("equal")
    axes.locator_params(nbins=5)
    axis = placed.layout.positions
    if boxes:
        for island, (left, top, _width, _height) in boxes.items():
            axes.annotate(describe_island(island), (left, top), (0, 2), textcoords="offset points", fontsize=8)
        axes.set_xticks([])  # no one scale of coordinates holds for all
        axes.set_yticks([])
        axes.set_xlabel("islands are drawn apart: where they lie to each other is not known", fontsize=8)
    elif placed.layout.positions == "none":
        axes.set_xlabel("um; no positions: in the order in which they were taken" if section.fields else "")
    elif placed.layout.is_turned:
        axes.set_xlabel("um, in the axes of the camera, which is tilted to the stage")
    else:
        axes.set_xlabel(f"{axis} x (um)")
        axes.set_ylabel(f"{axis} y (um)")
    if placed.n_left_out:
        title += f"\n{counted(placed.n_left_out, 'field')} without a position not drawn"
    axes.set_title(printable(title), fontsize=10)


def _draw_fields(axes: Axes, section: SectionPicture, placed: PlacedFields, display: tuple[float, float]) -> None:
    for field, extent in placed.extents:
        axes.imshow(field.image, cmap="gray", vmin=display[0], vmax=display[1], extent=extent, zorder=2)
    if section.sample is not None:
        _draw_unreached(axes, section.sample, placed)
    _frame_axes(axes, section, placed, section.title)


def _draw_unreached(axes: Axes, sample: DrawnSample, placed: PlacedFields) -> None:
    """Mark the drawn fields that no frame shows: a ring where it is open, a cross where it was skipped."""
    for marker, numbers, label in (("o", sample.open_fields, "open"), ("x", tuple(sample.skipped), "skipped")):
        places = [placed.drawn_um(sample.island, *sample.fields_um[number]) for number in numbers]
        if places:
            x, y = zip(*places, strict=True)
            axes.plot(x, y, marker, color=_COLOURS.warning, fillstyle="none", label=f"drawn, {label}", zorder=3)
            axes.legend(fontsize=8, loc="best")


def _draw_heat(axes: Axes, section: SectionPicture, placed: PlacedFields) -> ScalarMappable:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.patches import Rectangle

    shades = LinearSegmentedColormap.from_list("low to high", [_COLOURS.low, _PALE, _COLOURS.high])
    for field, (left, right, bottom, top) in placed.extents:
        axes.add_patch(
            Rectangle(
                (left, top), right - left, bottom - top, facecolor="none", edgecolor="0.6", hatch="////", zorder=1
            )
        )
        shown = np.ma.masked_invalid(field.probabilities)
        axes.imshow(
            shades(shown, alpha=np.where(np.ma.getmaskarray(shown), 0.0, 1.0)),
            extent=(left, right, bottom, top),
            interpolation="nearest",
            zorder=2,
        )
        if field.taken_out:
            axes.plot((left, right), (top, bottom), color="black", linewidth=1.5, zorder=3)
            axes.plot((left, right), (bottom, top), color="black", linewidth=1.5, zorder=3)
    taken_out = any(field.taken_out for field, _ in placed.extents)
    crossed = "; crossed: excluded by the operator" if taken_out else ""
    _frame_axes(axes, section, placed, f"tiles (hatched: excluded{crossed})")
    return ScalarMappable(Normalize(0, 1), shades)


def _draw_course(axes: Axes, section: SectionPicture) -> None:
    frames, score, low, high = section.course.T if len(section.course) else np.empty((4, 0))
    if section.interval_valid:
        axes.fill_between(frames, low, high, color="0.85", label="95 % confidence sequence", step=None)
    if section.threshold_interval is not None:
        low_end, high_end = section.threshold_interval
        axes.axhspan(low_end, high_end, color=_COLOURS.text_muted, alpha=0.35, label="95 % interval of the threshold")
    axes.plot(frames, score, color="black", linewidth=1.5, label="section score")
    axes.axhline(
        section.threshold,
        color="0.3",
        linestyle="--",
        linewidth=1,
        label=f"threshold {format_threshold(section.threshold)}",
    )
    fields = numbered_scores(section)
    side = [_COLOURS.high if value >= section.threshold else _COLOURS.low for _, value in fields]
    numbers, values = [n for n, _ in fields], [value for _, value in fields]
    label = "single fields" if section.step == 1 else f"one field in {section.step}"
    axes.scatter(numbers, values, s=12, c=side, label=label, zorder=3)
    axes.set_ylim(0, 1)
    axes.set_xlabel("classified fields")
    axes.set_ylabel("mean tile probability of high")
    note = "" if section.interval_valid else " (no valid interval)"
    axes.set_title(f"the score's course{note}", fontsize=10)
    axes.legend(fontsize=8, loc="best")
