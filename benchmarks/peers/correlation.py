"""Tracking as one writes it first: phase correlation of whole frames, the highest peak is the shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from hcc_scope.bench.timing import timed
from hcc_scope.bench.tracking import moving_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.bench.figures import JsonObject

__all__ = ["PlainFollower"]


class PlainFollower:
    """Windowed phase correlation at full size, with the spectrum of the frame before kept."""

    def __init__(self, side_px: int) -> None:
        self._frames = moving_frames(side_px, 40)
        window = np.hanning(side_px).astype(np.float32)
        self._window = window[:, None] * window[None, :]

    @property
    def facts(self) -> JsonObject:
        """What runs."""
        return {"engine": "scipy.fft at full size, float32, 1 thread"}

    def round(self, request: JsonObject) -> JsonObject:
        """Find the shift of ``frames`` frames against the frame before."""
        n = int(request["frames"])
        before: NDArray[np.complex64] | None = None
        with timed() as taken:
            for k in range(n):
                frame = self._frames[k % len(self._frames)].astype(np.float32)
                frame -= frame.mean()
                spectrum = fft.rfft2(frame * self._window, workers=1)
                if before is not None:
                    cross = before * spectrum.conj()
                    cross /= np.abs(cross) + np.float32(1e-6)
                    surface = fft.irfft2(cross, s=frame.shape, workers=1)
                    divmod(int(surface.argmax()), surface.shape[1])
                before = spectrum
        return taken.account(n)

    def close(self) -> None:
        """Nothing is open."""
