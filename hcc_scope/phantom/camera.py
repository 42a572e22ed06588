"""From transmitted light to counts: the physics of an EMCCD camera behind a white-light lamp."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.phantom.effects import DayEffect, stable_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CameraPhysics", "vignetting_map"]

NOMINAL_DAY = DayEffect()

# Noise is read from a fixed bank of normal numbers, each run of _RUN pixels from its own random place: ten times
# faster than drawing it. The bank is longer than a frame, so a frame hardly repeats itself.
_BANK_LENGTH = 1 << 22
_RUN = 1 << 13
# Rows worked on at once: the arrays of one strip stay in the processor's cache.
_STRIP_PX = 1 << 16


@functools.lru_cache(maxsize=1)
def _noise_bank() -> NDArray[np.float32]:
    bank = stable_rng("noise bank").standard_normal(_BANK_LENGTH + _RUN, dtype=np.float32)
    bank[_BANK_LENGTH:] = bank[:_RUN]  # so that a run may start anywhere
    bank.flags.writeable = False
    return bank


@functools.lru_cache(maxsize=4)
def vignetting_map(shape_yx: tuple[int, int], day: DayEffect) -> NDArray[np.float32]:
    """Return the light's fall-off over a field: 1 at the brightest point, quadratic in the distance from it.

    Parameters
    ----------
    shape_yx : tuple of int
        Rows and columns of the field in px.
    day : DayEffect
        Gives the strength and the centre.

    Returns
    -------
    (y, x) ndarray of float32
        ``1 - vignetting * (dy**2 + dx**2) / 2`` with dy, dx in half-heights and half-widths; read-only.
    """
    axes = [
        (np.arange(n) - (n - 1) / 2.0) / max(n / 2.0, 1.0) - c for n, c in zip(shape_yx, day.centre_yx, strict=True)
    ]
    fall = (axes[0][:, None] ** 2 + axes[1][None, :] ** 2) * (day.vignetting / 2.0)
    light: NDArray[np.float32] = np.maximum(1.0 - fall, 0.0).astype(np.float32)
    light.flags.writeable = False
    return light


@dataclass(frozen=True, slots=True)
class CameraPhysics:
    """An EMCCD camera and its lamp.

    With the defaults, bare glass at 10 ms and EM gain 1 gives about 60 % of full scale; 10 times that saturates.
    """

    photons_per_ms: float = 5333.0
    """Photons per pixel and ms through bare glass, nominal lamp."""
    quantum_efficiency: float = 0.9
    full_well_e: float = 80_000.0
    """Electrons, at the output and after EM gain, that make full scale."""
    offset_counts: float = 500.0
    read_noise_e: float = 20.0
    """Root mean square, after the EM register (fast readout)."""
    bit_depth: int = 16
    em_stages: int = 536
    """Stages of the multiplication register."""

    def __post_init__(self) -> None:
        if not 1 <= self.bit_depth <= 16:
            raise ValueError(f"bit_depth must be 1 to 16, not {self.bit_depth}")

    @property
    def full_scale(self) -> int:
        """The largest count."""
        return (1 << self.bit_depth) - 1

    @property
    def counts_per_e(self) -> float:
        """Counts per electron at the output."""
        return self.full_scale / self.full_well_e

    def excess_noise_squared(self, em_gain: float) -> float:
        """Return the factor by which EM multiplication raises the variance of shot noise.

        ``F**2 = 2 (G - 1) G**(-(N + 1) / N) + 1 / G`` for N stages: 1 at gain 1, towards 2 at high gain.
        Robbins & Hadwen, "The noise performance of electron multiplying charge-coupled devices", IEEE Trans.
        Electron Devices 50 (2003) 1227.
        """
        n = self.em_stages
        return float(2.0 * (em_gain - 1.0) * em_gain ** (-(n + 1) / n) + 1.0 / em_gain)

    def expected(
        self,
        intensity: NDArray[np.float32] | float,
        *,
        exposure_ms: float,
        em_gain: float = 1.0,
        day: DayEffect = NOMINAL_DAY,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and variance of the counts before quantisation and saturation, without vignetting.

        Parameters
        ----------
        intensity : (y, x) ndarray of float or float
            Relative transmitted intensity; 1 is bare glass.
        exposure_ms, em_gain, day
            As in `expose`.
        """
        electrons = np.asarray(intensity, dtype=np.float64) * self._electrons_on_glass(exposure_ms, day)
        counts_per_e = self.counts_per_e * day.gain
        mean = self.offset_counts + counts_per_e * em_gain * electrons
        shot = self.excess_noise_squared(em_gain) * em_gain**2 * electrons
        return mean, counts_per_e**2 * (shot + self.read_noise_e**2)

    def _electrons_on_glass(self, exposure_ms: float, day: DayEffect) -> float:
        return self.photons_per_ms * self.quantum_efficiency * exposure_ms * day.illumination

    def expose(
        self,
        intensity: NDArray[np.float32],
        *,
        exposure_ms: float,
        em_gain: float = 1.0,
        noise_seed: int,
        day: DayEffect = NOMINAL_DAY,
    ) -> NDArray[np.uint16]:
        """Take one frame: photons, electrons, multiplication, read noise, offset, quantisation, saturation.

        Shot noise (with its EM excess) and read noise are independent, so their sum is drawn as one normal number
        with the right variance. The normal approximation of Poisson counts has the right mean and variance at any
        light level; the shape of the distribution is right above some 20 electrons per pixel, which is
        far below what a white-light image has.

        Parameters
        ----------
        intensity : (y, x) ndarray of float32
            Relative transmitted intensity from `Specimen.render`; 1 is bare glass.
        exposure_ms : float
            Exposure time; 0 gives a dark frame.
        em_gain : float
            Multiplication of the EM register, 1 or more.
        noise_seed : int
            The frame's noise; the same seed gives the same frame again.
        day : DayEffect
            Illumination, gain and vignetting of the day.

        Returns
        -------
        (y, x) ndarray of uint16
            Raw counts.

        Raises
        ------
        ValueError
            If `intensity` is not two-dimensional, `exposure_ms` is negative, or `em_gain` is below 1.
        """
        if intensity.ndim != 2:
            raise ValueError(f"intensity must have two dimensions, not {intensity.ndim}")
        if exposure_ms < 0.0:
            raise ValueError(f"exposure_ms must not be negative, but is {exposure_ms}")
        if em_gain < 1.0:
            raise ValueError(f"em_gain must be 1 or more, not {em_gain}")
        counts_per_e = self.counts_per_e * day.gain
        signal_scale = np.float32(counts_per_e * em_gain * self._electrons_on_glass(exposure_ms, day))
        # variance of a count = shot_slope * (count above offset) + read_variance
        shot_slope = np.float32(counts_per_e * em_gain * self.excess_noise_squared(em_gain))
        read_variance = np.float32((counts_per_e * self.read_noise_e) ** 2)
        offset = np.float32(self.offset_counts + 0.5)  # + 0.5: the cast below truncates, so this rounds
        top = np.float32(self.full_scale)

        height, width = intensity.shape
        light = vignetting_map((height, width), day)
        out: NDArray[np.uint16] = np.empty((height, width), dtype=np.uint16)
        rows = max(1, _STRIP_PX // max(width, 1))
        n_runs = -(-rows * width // _RUN)
        starts = stable_rng("noise", noise_seed).integers(_BANK_LENGTH, size=(-(-height // rows), n_runs))
        bank = _noise_bank()
        noise: NDArray[np.float32] = np.empty(n_runs * _RUN, dtype=np.float32)
        for strip, top_row in enumerate(range(0, height, rows)):
            part = slice(top_row, min(top_row + rows, height))
            for run, start in enumerate(starts[strip].tolist()):
                noise[run * _RUN : (run + 1) * _RUN] = bank[start : start + _RUN]
            signal = intensity[part] * light[part]
            signal *= signal_scale
            sigma = signal * shot_slope
            sigma += read_variance
            np.sqrt(sigma, out=sigma)
            sigma *= noise[: signal.size].reshape(signal.shape)
            signal += sigma
            signal += offset
            np.clip(signal, 0.0, top, out=signal)
            out[part] = signal
        return out
