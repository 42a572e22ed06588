"""The drawings of a section's page as vector graphics: the score on its scale, its course, the map, and the legend.

Frames stay pictures. What each class looks like is in ``templates/drawings.css.j2``; a colour is never the only sign.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import counted, format_score, format_threshold
from hcc_scope.position_tags import describe_island
from hcc_scope.report.document import Figure
from hcc_scope.report.overview import PlacedFields, display_window, example_fields, numbered_scores, place_fields
from hcc_scope.report.png import png_uri
from hcc_scope.report.svg import drawing, element, number, words
from hcc_scope.score_text import describe_named_score, describe_threshold_interval, format_section_threshold
from hcc_scope.thumbnails import thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from hcc_scope.report.overview import FieldPicture, SectionPicture
    from hcc_scope.types import SectionScore

__all__ = ["HATCHING", "course_chart", "field_examples", "field_map", "heat_legend", "score_scale", "tile_map"]

_WIDTH = 900.0
_MAP_WIDTH, _MAP_HEIGHT = 440.0, 560.0
_MARGIN = 8.0
_TRACK_TOP, _TRACK_HEIGHT = 24.0, 26.0
_CHART_HEIGHT, _CHART_LEFT, _CHART_BOTTOM = 250.0, 30.0, 24.0
_MOST_POINTS = 400
_LEVELS = 10
"""Of the strength of a tile's colour."""
_WEAKEST = 0.15
_LEAST_PX, _FINER = 16, 3.0
"""Pixels of a field's picture on the map: at least, and for one unit of the drawing."""
_LETTER = 6.6
"""Width of a letter of a legend, on average."""


# ---- the score ------------------------------------------------------------------------------------------------------


def score_scale(score: SectionScore) -> str:
    """Return a score on its scale from 0 to 1, as the window draws it: threshold dashed, its interval a grey band."""
    inset, bottom = _TRACK_HEIGHT / 2, _TRACK_TOP + _TRACK_HEIGHT
    span = _WIDTH - 2 * inset
    middle_y = _TRACK_TOP + _TRACK_HEIGHT / 2

    def x(value: float) -> float:
        return inset + value * span

    def box(class_: str, left: float, right: float) -> str:
        return element("rect", class_=class_, x=x(left), y=_TRACK_TOP, width=x(right) - x(left), height=_TRACK_HEIGHT)

    def upright(class_: str, at: float, over: float = 0.0) -> str:
        return element("line", class_=class_, x1=x(at), x2=x(at), y1=_TRACK_TOP - over, y2=bottom + over)

    parts = [box("ground", 0, 1), box("side low", 0, score.threshold), box("side high", score.threshold, 1)]
    if score.threshold_interval is not None:
        low, high = score.threshold_interval
        parts += [box("band", low, high), upright("edge", low), upright("edge", high)]
    parts += [box("frame", 0, 1), upright("threshold", score.threshold, 4)]
    own = describe_threshold_interval(score)
    text = f"threshold {format_section_threshold(score)}" + (f" ({own})" if own else "")
    half = len(text) * _LETTER / 2
    parts.append(words(min(max(x(score.threshold), half), _WIDTH - half), 14, text, text_anchor="middle"))
    parts.append(words(0, bottom + 16, "0 low"))
    parts.append(words(_WIDTH, bottom + 16, "1 high", text_anchor="end"))
    if score.score is not None:
        if score.interval_valid:
            low, high = score.interval
            shape = f"M{number(x(low))} {number(middle_y)}H{number(x(high))}"
            shape += "".join(f"M{number(x(end))} {number(middle_y - 8)}v16" for end in (low, high))
            parts += [element("path", class_="halo", d=shape), element("path", class_="interval", d=shape)]
        kind = "score" if score.interval_valid else "score open"
        parts.append(element("circle", class_=kind, cx=x(score.score), cy=middle_y, r=8))
    return drawing(_WIDTH, bottom + 22, describe_named_score(score), *parts)


# ---- the course -----------------------------------------------------------------------------------------------------


def course_chart(section: SectionPicture, threshold: str) -> str:
    """Return the course of the score over the classified fields, with single fields as triangles.

    Parameters
    ----------
    section : SectionPicture
    threshold : str
        As it is written beside the score.
    """
    course = _thinned(section.course)
    fields = numbered_scores(section)
    n_fields = max(max((n for n, _ in fields), default=0), int(course[-1, 0]) if len(course) else 0)
    last = max(10.0, float(n_fields))
    bottom = _CHART_HEIGHT - _CHART_BOTTOM

    def x(n: float) -> float:
        return _CHART_LEFT + (n - 0.5) / last * (_WIDTH - _CHART_LEFT - 4)

    def y(value: float) -> float:
        return 8 + (1 - value) * (bottom - 8)

    def line(points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{number(x(n))},{number(y(value))}" for n, value in points)

    parts = [element("line", class_="grid", x1=_CHART_LEFT, x2=_WIDTH, y1=y(v), y2=y(v)) for v in (0, 0.5, 1)]
    parts += [words(_CHART_LEFT - 6, y(v) + 4, number(v), text_anchor="end") for v in (0, 0.5, 1)]
    legend = []
    if section.interval_valid and len(course):
        around = [*zip(course[:, 0], course[:, 2], strict=True), *zip(course[::-1, 0], course[::-1, 3], strict=True)]
        parts.append(element("polygon", class_="interval-band", points=line(around)))
        legend.append(("interval-band", "95 % confidence sequence"))
    if section.threshold_interval is not None:
        low, high = section.threshold_interval
        height = y(low) - y(high)
        parts.append(
            element("rect", class_="band", x=_CHART_LEFT, y=y(high), width=_WIDTH - _CHART_LEFT, height=height)
        )
        legend.append(("band", "95 % interval of the threshold"))
    for name in ("low", "high"):
        chosen = [(n, p) for n, p in fields if (p >= section.threshold) == (name == "high")]
        if chosen:
            tip = -6 if name == "high" else 6
            shapes = "".join(f"M{number(x(n) - 3.5)} {number(y(p) - tip / 2)}l3.5 {tip} 3.5 {-tip}z" for n, p in chosen)
            parts.append(element("path", class_=f"mark {name}", d=shapes))
            some = "field" if section.step == 1 else f"one field in {section.step},"
            legend.append((f"mark {name}", f"{some} on the {name} side"))
    at = y(section.threshold)
    parts.append(element("line", class_="threshold", x1=_CHART_LEFT, x2=_WIDTH, y1=at, y2=at))
    legend.append(("threshold", f"threshold {threshold}"))
    if len(course):
        parts.append(element("polyline", class_="course", points=line(zip(course[:, 0], course[:, 1], strict=True))))
        legend.append(("course", "section score"))
    parts += [
        words(x(n), _CHART_HEIGHT - 6, f"{n:.0f}", text_anchor=anchor) for n, anchor in ((1, "middle"), (last, "end"))
    ]
    parts.append(words(_WIDTH / 2, _CHART_HEIGHT - 6, "classified fields", text_anchor="middle"))
    rows, height = _legend(legend, _CHART_HEIGHT + 8)
    note = "" if section.interval_valid else ", without a valid interval"
    label = f"Course of the score over {counted(n_fields, 'classified field')}{note}"
    return drawing(_WIDTH, height, label, *parts, *rows)


def _thinned(course: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(course) <= _MOST_POINTS:
        return course
    return course[np.linspace(0, len(course) - 1, _MOST_POINTS).round().astype(np.intp)]


def _legend(entries: Sequence[tuple[str, str]], top: float) -> tuple[list[str], float]:
    """Return the drawn entries of a legend, in lines, and where the drawing ends."""
    parts, x, y = [], _CHART_LEFT, top
    for kind, text in entries:
        width = 28 + len(text) * _LETTER + 16
        if x + width > _WIDTH and x > _CHART_LEFT:
            x, y = _CHART_LEFT, y + 20
        if kind.startswith("mark"):
            tip = -8 if kind == "mark high" else 8
            parts.append(
                element("path", class_=kind, d=f"M{number(x + 6)} {number(y + 8 - tip / 2)}l4 {tip} 4 {-tip}z")
            )
        elif kind in ("threshold", "course"):
            parts.append(element("line", class_=kind, x1=x, x2=x + 20, y1=y + 8, y2=y + 8))
        else:
            parts.append(element("rect", class_=kind, x=x, y=y + 2, width=20, height=12))
        parts.append(words(x + 28, y + 12, text))
        x += width
    return parts, y + 20


# ---- the map --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """From micrometres to the drawing."""

    left_um: float
    top_um: float
    scale: float
    """Units of the drawing for one micrometre."""
    width: float
    height: float

    def x(self, x_um: float) -> float:
        return _MARGIN + (x_um - self.left_um) * self.scale

    def y(self, y_um: float) -> float:
        return _MARGIN + (y_um - self.top_um) * self.scale

    def box(self, extent: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Return left, top, width and height of a field's extent (left, right, bottom, top)."""
        left, right, bottom, top = extent
        return self.x(left), self.y(top), (right - left) * self.scale, (bottom - top) * self.scale


def field_map(section: SectionPicture) -> str:
    """Return the fields where they lie, as pictures."""
    black, white = display_window(section)

    def picture(field: FieldPicture, x: float, y: float, width: float, height: float) -> str:
        side_px = max(_LEAST_PX, math.ceil(_FINER * max(width, height)))
        uri = png_uri(thumbnail(field.image, side_px), black, white)
        return element("image", href=uri, x=x, y=y, width=width, height=height, preserveAspectRatio="none")

    placed = place_fields(section)
    view = _view(section, placed)
    inside = [picture(field, *view.box(extent)) for field, extent in placed.extents]
    if section.sample is not None:
        for kind, numbers in (("open", section.sample.open_fields), ("skipped", tuple(section.sample.skipped))):
            for n in numbers:
                x, y = placed.drawn_um(section.sample.island, *section.sample.fields_um[n])
                inside.append(_drawn_mark(kind, view.x(x), view.y(y)))
    return _framed(section, placed, view, "Fields where they lie", inside)


def tile_map(section: SectionPicture) -> str:
    """Return the tiles where they lie: the hue is the side of the threshold, the strength the distance from it."""
    placed = place_fields(section)
    view = _view(section, placed)
    paths: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    grounds, crosses = [], []
    for field, extent in placed.extents:
        x, y, width, height = view.box(extent)
        grounds.append(f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z")
        rows, columns = field.probabilities.shape
        for row, column in np.argwhere(np.isfinite(field.probabilities)).tolist():
            w, h = width / columns, height / rows
            shape = f"M{number(x + column * w)} {number(y + row * h)}h{number(w)}v{number(h)}h{number(-w)}z"
            paths[_strength(float(field.probabilities[row, column]), section.threshold)].append(shape)
        if field.taken_out:
            crosses.append(f"M{number(x)} {number(y)}l{number(width)} {number(height)}")
            crosses.append(f"M{number(x)} {number(y + height)}l{number(width)} {number(-height)}")
    inside = [element("path", class_="hatched", d="".join(grounds))] if grounds else []
    shapes = {key: "".join(some) for key, some in sorted(paths.items())}
    if shapes:
        inside.append(element("path", class_="tissue", d="".join(shapes.values())))
    inside += [
        element("path", class_=f"tile {side}", d=shape, fill_opacity=level / _LEVELS)
        for (side, level), shape in shapes.items()
    ]
    if crosses:
        inside += [element("path", class_=kind, d="".join(crosses)) for kind in ("halo", "cross")]
    return _framed(section, placed, view, "Tiles by their probability of high", inside)


def heat_legend(threshold: float) -> str:
    """Return the colours of the tile map: the scale with its threshold, and what hatching means."""
    left, width = 50.0, 200.0
    steps = 40
    parts = [words(0, 15, "low 0"), words(left + width + 10, 15, "1 high")]
    parts.append(element("rect", class_="tissue", x=left, y=4, width=width, height=14))
    for n in range(steps):
        side, level = _strength((n + 0.5) / steps, threshold)
        x = left + n * width / steps
        parts.append(
            element(
                "rect", class_=f"tile {side}", x=x, y=4, width=width / steps, height=14, fill_opacity=level / _LEVELS
            )
        )
    at = left + threshold * width
    parts.append(element("line", class_="threshold", x1=at, x2=at, y1=1, y2=21))
    parts.append(element("rect", class_="hatched", x=330, y=4, width=20, height=14))
    parts.append(words(358, 15, "no tissue, or excluded for its quality"))
    parts.append(element("path", class_="cross", d="M630 4l20 14M630 18l20 -14"))
    parts.append(words(658, 15, "field excluded by the operator"))
    label = f"Colours of the tiles, with the threshold {format_threshold(threshold)}"
    return drawing(_WIDTH, 24, label, HATCHING, *parts)


HATCHING = element(
    "defs",
    element(
        "pattern",
        element("path", class_="hatch", d="M0 6L6 0"),
        id="hatching",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
    ),
)
"""The pattern of excluded tiles; once in a page."""


def _strength(probability: float, threshold: float) -> tuple[str, int]:
    """Return the side of a probability, and how strong its colour is, 0 to 10."""
    high = probability >= threshold
    room = max(1 - threshold if high else threshold, 1e-6)
    distance = min(abs(probability - threshold) / room, 1.0)
    return "high" if high else "low", max(1, round(_LEVELS * (_WEAKEST + (1 - _WEAKEST) * distance)))


def _view(section: SectionPicture, placed: PlacedFields) -> _View:
    edges = [(left, top, right, bottom) for _, (left, right, bottom, top) in placed.extents]
    edges += [(x, y, x, y) for x, y in _outline(section, placed)]
    edges += [(left, top, left + width, top + height) for left, top, width, height in placed.islands_um.values()]
    if not edges:
        edges = [(0.0, 0.0, 1.0, 1.0)]
    left, top = (min(edge[n] for edge in edges) for n in (0, 1))
    right, bottom = (max(edge[n] for edge in edges) for n in (2, 3))
    if placed.islands_um:
        top -= 0.05 * (bottom - top)  # room for their names
    scale = min(
        (_MAP_WIDTH - 2 * _MARGIN) / max(right - left, 1e-6), (_MAP_HEIGHT - 2 * _MARGIN) / max(bottom - top, 1e-6)
    )
    height = (bottom - top) * scale + 2 * _MARGIN
    return _View(left, top, scale, _MAP_WIDTH, height)


def _outline(section: SectionPicture, placed: PlacedFields) -> list[tuple[float, float]]:
    if section.outline_um is None:
        return []
    return [placed.drawn_um(section.outline_island, x, y) for x, y in section.outline_um.tolist()]


def _framed(section: SectionPicture, placed: PlacedFields, view: _View, title: str, inside: Sequence[str]) -> str:
    parts = list(inside)
    if corners := _outline(section, placed):
        points = " ".join(f"{number(view.x(x))},{number(view.y(y))}" for x, y in corners)
        parts.append(element("polygon", class_="outline", points=points))
    for island, (left, top, _width, _height) in placed.islands_um.items():
        parts.append(words(view.x(left), view.y(top) - 3, describe_island(island)))
    notes = []
    if placed.islands_um:
        notes.append("Islands are drawn apart: where they lie to each other is not known.")
    elif placed.layout.positions != "none":
        parts.append(_scale_bar(view))
    elif section.fields:
        notes.append("No positions: in the order in which they were taken.")
    if placed.layout.is_turned:
        notes.append("The camera is tilted to the stage: drawn in the camera's axes.")
    if section.step > 1:
        notes.append(f"One field in {section.step} is drawn.")
    if placed.n_left_out:
        notes.append(f"{counted(placed.n_left_out, 'field')} without a position not drawn.")
    top = view.height + (20 if placed.layout.positions != "none" and not placed.islands_um else 4)
    parts += [words(_MARGIN, top + 14 + 16 * n, note) for n, note in enumerate(notes)]
    return drawing(view.width, top + 16 * len(notes) + 4, f"{title}. {' '.join(notes)}".strip(), *parts)


def _scale_bar(view: _View) -> str:
    """Return a bar of a round length, about a fifth as wide as the map."""
    wanted_um = 0.2 * (view.width - 2 * _MARGIN) / view.scale
    power = 10.0 ** math.floor(math.log10(wanted_um))
    length_um = max(step * power for step in (1, 2, 5) if step * power <= wanted_um * (1 + 1e-9))
    text = f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} µm"
    end = _MARGIN + length_um * view.scale
    y = view.height + 8
    begin, top = number(_MARGIN), number(y - 4)
    shape = f"M{begin} {top}v8M{begin} {number(y)}H{number(end)}M{number(end)} {top}v8"
    return element("path", class_="scale", d=shape) + words(end + 6, y + 4, text)


def _drawn_mark(kind: str, x: float, y: float) -> str:
    """Return the mark of a drawn field that no frame shows: a ring where it is open, a cross where it was skipped."""
    if kind == "open":
        shape = element("circle", class_="unreached", cx=x, cy=y, r=5)
    else:
        shape = element("path", class_="unreached", d=f"M{number(x - 4)} {number(y - 4)}l8 8m0 -8l-8 8")
    return element("g", element("title", f"drawn, {kind}"), shape)


# ---- examples -------------------------------------------------------------------------------------------------------


def field_examples(section: SectionPicture) -> list[Figure]:
    """Return the middles of the scored fields nearest to the lowest, middle and highest score."""
    black, white = display_window(section)
    return [
        Figure(
            "" if field.score is None else f"field score {format_score(field.score, section.threshold)}",
            picture=png_uri(field.detail, black, white),
            size_px=(field.detail.shape[1], field.detail.shape[0]),
        )
        for field in example_fields(section)
    ]
