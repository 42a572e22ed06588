"""Find the sharpest height of the focus drive, from readings of two focus measures. Pure: no devices, no window.

>>> from hcc_scope.focus import FocusSettings, find_focus
>>> result = find_focus(read_at, began_um=3.0, z_span_um=(-300.0, 300.0))  # doctest: +SKIP
>>> result.accepted, result.z_um, result.explanation  # doctest: +SKIP
(True, 0.12, 'in focus at z = 0.12 um, -2.88 um from where it began')

`hcc_scope.microscope.autofocus` moves a real focus drive; this package decides where to.
"""

from hcc_scope.focus.plane import FocusPlane, PlanePoint, fit_plane
from hcc_scope.focus.reading import FocusReading, read_focus
from hcc_scope.focus.result import FocusPoint, FocusReason, FocusResult
from hcc_scope.focus.search import find_focus
from hcc_scope.focus.settings import FocusSettings
from hcc_scope.focus.trend import FocusTrend, TrendState, TrendView

__all__ = [
    "FocusPlane",
    "FocusPoint",
    "FocusReading",
    "FocusReason",
    "FocusResult",
    "FocusSettings",
    "FocusTrend",
    "PlanePoint",
    "TrendState",
    "TrendView",
    "find_focus",
    "fit_plane",
    "read_focus",
]
