"""The scores of sections by two models against each other, as one file of vector graphics that opens anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import counted
from hcc_scope.report.svg import Attribute, element, number, words
from hcc_scope.score_text import SCORE_NAME
from hcc_scope.theme_colours import colours

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["score_plot"]

_SIDE = 420.0
_LEFT, _TOP, _RIGHT, _BELOW = 64.0, 40.0, 20.0, 56.0
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def score_plot(
    points: Sequence[tuple[float, float, bool]],
    *,
    previous: str,
    new: str,
    threshold: float,
    previous_threshold: float | None,
    n_sections: int,
) -> str:
    """Return the drawing.

    Sections on the same side of both thresholds are dots; a section that lies on another side is a triangle that
    points to the side on which it lies now.

    Parameters
    ----------
    points : sequence of (float, float, bool)
        Previous and new score of each section that is shown, 0 to 1, and whether it lies on another side now.
    previous, new : str
        Names of the two models.
    threshold : float
        Of the new model.
    previous_threshold : float or None
        Of the previous model; None if the sections have several, and no line is drawn for it.
    n_sections : int
        Sections compared; of many, some are shown.
    """
    c = colours("light")

    def x(value: float) -> float:
        return _LEFT + value * _SIDE

    def y(value: float) -> float:
        return _TOP + (1 - value) * _SIDE

    width, height = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BELOW
    parts = [element("rect", x=0, y=0, width=width, height=height, fill=c.surface)]
    for value in _TICKS:
        grid: dict[str, Attribute] = {"stroke": c.border, "stroke_width": 0.5}
        parts.append(element("line", x1=x(0), x2=x(1), y1=y(value), y2=y(value), **grid))
        parts.append(element("line", x1=x(value), x2=x(value), y1=y(0), y2=y(1), **grid))
        parts.append(words(x(value), y(0) + 18, number(value), text_anchor="middle", fill=c.text_muted))
        parts.append(words(x(0) - 8, y(value) + 4, number(value), text_anchor="end", fill=c.text_muted))
    parts.append(element("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), stroke=c.text_muted, stroke_width=1))
    dashed: dict[str, Attribute] = {"stroke": c.text, "stroke_width": 1, "stroke_dasharray": "5 4"}
    parts.append(element("line", x1=x(0), x2=x(1), y1=y(threshold), y2=y(threshold), **dashed))
    if previous_threshold is not None:
        parts.append(element("line", x1=x(previous_threshold), x2=x(previous_threshold), y1=y(0), y2=y(1), **dashed))
    for before, now, flip in points:
        if not flip:
            parts.append(element("circle", cx=x(before), cy=y(now), r=3, fill=c.text_muted, fill_opacity=0.6))
        else:
            high = now >= threshold
            tip = -5 if high else 5
            shape = f"M{number(x(before) - 5)} {number(y(now) - tip)}h10l-5 {number(2 * tip)}z"
            parts.append(element("path", d=shape, fill=c.high if high else c.low))
    shown = "" if len(points) == n_sections else f", {len(points):,} of them shown"
    n_flips = sum(flip for *_, flip in points)
    triangles = "; triangles: on the other side of the threshold now" if n_flips else ""
    title = f"{SCORE_NAME}, {counted(n_sections, 'section')}{shown}{triangles}"
    middle = _LEFT + _SIDE / 2
    parts.append(words(middle, 24, title, text_anchor="middle", fill=c.text, font_size=14))
    parts.append(words(middle, height - 14, f"by {previous}", text_anchor="middle", fill=c.text))
    turned = f"rotate(-90 18 {number(_TOP + _SIDE / 2)})"
    parts.append(words(18, _TOP + _SIDE / 2, f"by {new}", text_anchor="middle", fill=c.text, transform=turned))
    return (
        element(
            "svg",
            element("title", f"{title}: {new} against {previous}".replace("&", "&amp;").replace("<", "&lt;")),
            *parts,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {number(width)} {number(height)}",
            width=width,
            height=height,
            font_family="sans-serif",
            font_size=12,
        )
        + "\n"
    )
