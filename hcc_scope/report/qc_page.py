"""Control charts as one self-contained HTML page: no script, no font, no external picture.

Where everything lies is computed here; its looks are in ``templates/qc.html.j2``, which escapes every value.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import replace_file
from hcc_scope.control_chart import RUN_LENGTH
from hcc_scope.errors import StoreUnwritableError
from hcc_scope.formatting import format_utc, significant
from hcc_scope.report.logo import logo_svg
from hcc_scope.templates import environment
from hcc_scope.theme_colours import css_variables

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.report.control_charts import Chart, ControlCharts

__all__ = ["render", "write_page"]

_WIDTH, _HEIGHT = 900, 160
_LEFT, _TOP, _BOTTOM = 70, 8, 28
_MARGIN = 0.08
"""Of the height of a chart, above the highest and below the lowest value."""


def write_page(found: ControlCharts, path: Path) -> Path:
    """Write the page, replacing an earlier one.

    Raises
    ------
    StoreUnwritableError
        If it cannot be written.
    """
    try:
        replace_file(path, render(found).encode(errors="backslashreplace"), shared=True)
    except OSError as error:
        raise StoreUnwritableError(
            f"The page {path} cannot be written: {error.strerror or error}", hint="Choose another folder."
        ) from error
    return path


def render(found: ControlCharts) -> str:
    """Return the page."""
    groups = [
        {"title": f"{rig}, {objective}", "charts": [_drawn(chart) for chart in charts]}
        for (rig, objective), charts in groupby(found.charts, key=lambda chart: (chart.rig, chart.objective))
    ]
    return (
        environment("hcc_scope.report")
        .get_template("qc.html.j2")
        .render(
            counts=found.describe(),
            warnings=found.warnings(),
            groups=groups,
            width=_WIDTH,
            height=_HEIGHT,
            run_length=RUN_LENGTH,
            colours=css_variables(),
            logo=logo_svg(in_page=True),
        )
    )


def _drawn(chart: Chart) -> dict[str, Any]:
    """Return one chart with its coordinates in the picture."""
    low, high = chart.span()
    pad = _MARGIN * (high - low) or abs(high) or 1.0
    low, high = low - pad, high + pad
    step = (_WIDTH - _LEFT) / len(chart.points)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    def x(place: float) -> float:
        return round(_LEFT + (place + 0.5) * step, 1)

    dots = [
        {
            "x": x(place),
            "y": y(point.value),
            "verdict": point.verdict,
            "title": f"{section.store.name}, {format_utc(section.t_utc, seconds=False)}: {significant(point.value, 4)}",
        }
        for place, (section, point) in enumerate(zip(chart.sections, chart.points, strict=True))
    ]
    judged = [(place, point.limits) for place, point in enumerate(chart.points) if point.limits is not None]
    return {
        "title": chart.title,
        "last": chart.describe_last(),
        "dots": dots,
        "course": " ".join(f"{dot['x']},{dot['y']}" for dot in dots),
        "bands": [
            (x(place - 0.5), y(one.high), round(step + 0.1, 1), round(y(one.low) - y(one.high), 1))
            for place, one in judged
        ],
        "centres": [(x(place - 0.5), x(place + 0.5), y(one.centre)) for place, one in judged],
        "top": significant(high),
        "bottom": significant(low),
        "first_day": format_utc(chart.sections[0].t_utc)[:10],
        "last_day": format_utc(chart.sections[-1].t_utc)[:10],
    }
