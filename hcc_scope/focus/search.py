"""Search for the sharpest height: coarse, fine, and a last look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.focus.settings import FocusSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.focus.reading import FocusReading
    from hcc_scope.focus.result import FocusResult

__all__ = ["find_focus"]


def find_focus(
    read_at: Callable[[float], FocusReading],
    began_um: float,
    z_span_um: tuple[float, float] | None = None,
    settings: FocusSettings = FocusSettings(),  # noqa: B008 - frozen
) -> FocusResult:
    """Search for the sharpest height around where the focus drive is.

    Parameters
    ----------
    read_at : callable
        Brings the focus drive to a height, takes a frame there, and returns its reading with the height that was read
        back (`hcc_scope.focus.read_focus`). What it raises is passed on.
    began_um : float
        Where the focus drive is now.
    z_span_um : (lowest, highest), optional
        The rig's limits; no height beyond them is asked for.
    settings : FocusSettings, optional

    Returns
    -------
    FocusResult
        If it is accepted, the last call of `read_at` was for its height. Otherwise the caller brings the focus drive
        back to where it began.
    """
    raise NotImplementedError
