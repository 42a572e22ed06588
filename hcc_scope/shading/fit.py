"""Whether the frames of a run still have the settings of the references that correct them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import counted
from hcc_scope.shading.freshness import same_em_gain, same_exposure

if TYPE_CHECKING:
    from hcc_scope.shading.correction import Shading
    from hcc_scope.types import Frame

__all__ = ["FramesFit"]


class FramesFit:
    """Counts frames with another exposure, EM gain or objective than the references of their correction.

    References are chosen before the first frame, and a person, a plan or another program may change a setting later.
    Such frames are corrected by the same references nevertheless: the correction is a function of the pixels alone, so
    a replay has the same bits. What each frame was taken with stands in the journal.

    Parameters
    ----------
    shading : Shading

    Examples
    --------
    >>> fit = FramesFit(shading)  # doctest: +SKIP
    >>> fit.add(frame)  # doctest: +SKIP
    >>> fit.remark()  # doctest: +SKIP
    'the exposure of 3 of 40 frames is unlike that of the dark field (10 ms), which corrects them nevertheless'
    """

    def __init__(self, shading: Shading) -> None:
        self._dark, self._flat = shading.dark.manifest.settings, shading.flat.manifest.settings
        self._unlike = {"exposure": 0, "EM gain": 0, "objective": 0}
        self._n = 0

    def add(self, frame: Frame) -> tuple[str, ...]:
        """Take the next frame; return which settings are unlike for the first time, as text."""
        self._n += 1
        found = {
            "exposure": not same_exposure(self._dark.exposure_ms, frame.exposure_ms),
            "EM gain": not same_em_gain(self._dark.em_gain, frame.em_gain),
            "objective": self._flat.objective != frame.objective,
        }
        first = tuple(name for name, is_unlike in found.items() if is_unlike and not self._unlike[name])
        for name, is_unlike in found.items():
            self._unlike[name] += is_unlike
        return first

    def remark(self) -> str | None:
        """Return a sentence without a full stop if a frame is unlike its references, else None."""
        words = {
            "exposure": f"dark field ({self._dark.exposure_ms:g} ms)",
            "EM gain": f"dark field ({'none' if self._dark.em_gain is None else f'{self._dark.em_gain:g}'})",
            "objective": f"flat field ({self._flat.objective or 'not reported'})",
        }
        found = [
            f"the {name} of {n} of {counted(self._n, 'frame')} is unlike that of the {words[name]}, "
            "which corrects them nevertheless"
            for name, n in self._unlike.items()
            if n
        ]
        return "; ".join(found) or None
