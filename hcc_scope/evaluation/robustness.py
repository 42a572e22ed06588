"""The shift of the scores of held-out sections with the light, the gain, the flatness and the focus of the images.

Mean stretching leaves the contrast of a tile to these, so a model's card states their effect. Raw tiles are shifted
as the microscope would have shifted them, noise included, and classified again:

- *exposure*: the signal times k, with photon noise of the right size. For k < 1, scaling leaves k^2 of the noise's
  variance where k of it is due; the difference is added. For k > 1 nothing can be taken away: the noise is then larger,
  by the square root of k, than a real exposure's.
- *gain*: signal and noise times k.
- *vignetting*: less light away from the middle of the whole frame, ``1 - v r^2 / 2`` with r^2 = 2 in its corners, on
  top of what the images have; noise as for an exposure.
- *defocus*: the blur of a 20x/0.4 objective at a distance from focus (`hcc_scope.phantom.defocus_sigma_um`), on top of
  what the images have. Defocus blurs the light and not the noise: what the blur takes of it is added again.

All noise is taken for photon noise: its variance goes with the signal. It is estimated in each tile from its finest
detail, beyond 0.6 cycles per pixel (the corners of its spectrum). A 20x/0.4 objective passes nothing above 1.45 cycles
per um (2 NA over the wavelength), which is 0.47 per pixel at 0.325 um: what is found there is noise. With larger pixels
some of it may be specimen, and the noise is then taken for larger than it is. (The structure function that
`hcc_scope.quality` uses would be ten times too large on sharp tissue: it is for telling texture from none.)
Counts are rounded and end at full scale, as a camera's. Every tile is scored, also one that would now fail quality.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import DatasetError
from hcc_scope.inference.card import ShiftRow
from hcc_scope.phantom import defocus_sigma_um
from hcc_scope.scoring import calibrate
from hcc_scope.tiling import TileGrid
from hcc_scope.training.metrics import roc_auc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Literal

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable

    Kind = Literal["exposure", "gain", "vignetting", "defocus"]
    LogOdds = Callable[[NDArray[np.uint16], NDArray[np.int64]], NDArray[np.float32]]

__all__ = ["AMOUNTS", "defocused", "exposed", "gained", "noise_variance", "sampled_rows", "shift_rows", "vignetted"]

AMOUNTS: dict[Kind, tuple[float, ...]] = {
    "exposure": (0.5, 0.7, 0.85, 1.0, 1.15, 1.4),
    "gain": (0.5, 0.7, 0.85, 1.15, 1.4),
    "vignetting": (0.1, 0.2, 0.4),
    "defocus": (1.0, 2.0, 4.0),
}
"""An exposure of 1 is the images as they are: what the other rows are to be compared with."""
NOISE_CYCLES_PER_PX = 0.6
"""Beyond it there is nothing but noise."""
BATCH = 8
"""Tiles held at once."""


def shift_rows(
    predict: LogOdds,
    tiles: TileTable,
    rows: NDArray[np.int64],
    data: LabelledSet,
    temperature: float,
    threshold: float,
    *,
    max_tiles: int = 256,
    amounts: Mapping[Kind, Sequence[float]] = AMOUNTS,
    offset_counts: float = 0.0,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[ShiftRow, ...]:
    """Return what each shift does to the scores of held-out sections.

    Parameters
    ----------
    predict : callable
        Raw tiles (k, tile, tile) uint16, and their rows (k,), to log-odds (k,) of *high*.
    tiles : TileTable
        Of the set.
    rows : (n,) int
        Held-out rows of `tiles`, of both classes.
    data : LabelledSet
        Pixel size and full scale.
    temperature, threshold : float
        The card's.
    max_tiles : int
        Tiles to classify per shift, at most, taken evenly from the sections (`sampled_rows`).
    amounts : mapping
        By kind; see `hcc_scope.inference.card.ShiftRow`.
    offset_counts : float
        The camera's counts without light: not part of the signal.
    seed : int
        Of the added noise.
    on_progress : callable, optional
        Takes done and total shifts.

    Returns
    -------
    tuple of ShiftRow
        In the order of `amounts`.

    Raises
    ------
    DatasetError
        If the rows are not of both classes.

    Notes
    -----
    Memory holds `BATCH` tiles, however many there are.
    """
    chosen = sampled_rows(tiles, rows, max_tiles)
    labels = tiles.labels[chosen]
    if not len(chosen) or len(np.unique(labels)) < len(CLASSES):
        raise DatasetError("the effect of other light and focus can only be measured on tiles of both classes")
    todo = [(kind, float(amount)) for kind, values in amounts.items() for amount in values]
    found = []
    for done, (kind, amount) in enumerate(todo):
        odds = np.empty(len(chosen), np.float32)
        for start in range(0, len(chosen), BATCH):
            part = chosen[start : start + BATCH]
            pixels = tiles.reader.read(part)
            shifted = np.stack(
                [
                    _shifted(kind, amount, tile, tiles, int(row), data, offset_counts, seed)
                    for tile, row in zip(pixels, part, strict=True)
                ]
            )
            odds[start : start + BATCH] = predict(shifted, part)
        found.append(_row(kind, amount, odds, labels, tiles, chosen, temperature, threshold))
        if on_progress is not None:
            on_progress(done + 1, len(todo))
    return tuple(found)


def sampled_rows(tiles: TileTable, rows: NDArray[np.int64], max_tiles: int) -> NDArray[np.int64]:
    """Return at most `max_tiles` of `rows`, ascending: equally many of each section, spread evenly over its tiles.

    At least one of each section, though, even where that is more than `max_tiles`.
    """
    by_section: dict[tuple[str, str], list[int]] = {}
    for row in np.sort(np.asarray(rows, dtype=np.int64)).tolist():
        by_section.setdefault(tiles.images[int(tiles.image_index[row])].section, []).append(row)
    left, chosen = max_tiles, []
    # the smallest first, so that what they cannot give is left for the others
    groups = sorted(by_section.values(), key=len)
    for i, group in enumerate(groups):
        n = min(len(group), max(1, left // (len(groups) - i)))
        left -= n
        chosen += [group[j] for j in ((2 * np.arange(n) + 1) * len(group) // (2 * n)).tolist()]
    return np.sort(np.asarray(chosen, dtype=np.int64))


def _shifted(
    kind: Kind,
    amount: float,
    tile: NDArray[np.uint16],
    tiles: TileTable,
    row: int,
    data: LabelledSet,
    offset_counts: float,
    seed: int,
) -> NDArray[np.uint16]:
    rng = np.random.default_rng([seed, row])
    if kind == "exposure":
        return exposed(tile, amount, data.full_scale, rng, offset_counts)
    if kind == "gain":
        return gained(tile, amount, data.full_scale, offset_counts)
    if kind == "vignetting":
        shape_yx = tiles.images[int(tiles.image_index[row])].shape_yx
        origin = TileGrid.for_frame(shape_yx, tiles.tile_px).origins_yx[int(tiles.tile_index[row])]
        origin_yx = (int(origin[0]), int(origin[1]))
        return vignetted(tile, amount, data.full_scale, rng, origin_yx, shape_yx, offset_counts)
    sigma_px = defocus_sigma_um(amount) / data.pixel_size_um
    return defocused(tile, sigma_px, data.full_scale, rng, offset_counts)


def noise_variance(tile: NDArray[np.uint16]) -> float:
    """Return the variance of the noise of a pixel, in counts^2, at the mean of a tile (t, t)."""
    from scipy import fft

    side_y, side_x = tile.shape
    window = np.hanning(side_y)[:, None] * np.hanning(side_x)[None, :]  # else the tile's edges would look like detail
    counts = (tile - tile.mean(dtype=np.float64)) * window
    power = np.square(np.abs(fft.rfft2(counts))) / np.square(window).sum()
    cycles_per_px = np.hypot(np.fft.fftfreq(side_y)[:, None], np.fft.rfftfreq(side_x)[None, :])
    return float(power[cycles_per_px > NOISE_CYCLES_PER_PX].mean())


def exposed(
    tile: NDArray[np.uint16], factor: float, full_scale: int, rng: np.random.Generator, offset_counts: float = 0.0
) -> NDArray[np.uint16]:
    """Return a tile as it would be at `factor` times the exposure. Above 1 its noise is too large; see the module."""
    return _in_other_light(tile, np.array(factor, np.float32), full_scale, rng, offset_counts)


def gained(tile: NDArray[np.uint16], factor: float, full_scale: int, offset_counts: float = 0.0) -> NDArray[np.uint16]:
    """Return a tile as it would be at `factor` times the gain: signal and noise."""
    return _counts((tile.astype(np.float32) - offset_counts) * factor + offset_counts, full_scale)


def vignetted(
    tile: NDArray[np.uint16],
    missing: float,
    full_scale: int,
    rng: np.random.Generator,
    origin_yx: tuple[int, int],
    frame_shape_yx: tuple[int, int],
    offset_counts: float = 0.0,
) -> NDArray[np.uint16]:
    """Return a tile of a frame in whose corners the share `missing` of the light is missing, in addition.

    Parameters
    ----------
    tile : (t, t) uint16
        Raw counts.
    missing : float
        0 to 1.
    full_scale : int
        The largest count.
    rng : Generator
        Of the added noise.
    origin_yx : (int, int)
        Of the tile's first pixel in its frame, in px.
    frame_shape_yx : (int, int)
        Of the frame, in px.
    offset_counts : float
        The camera's counts without light.
    """
    squared = [
        np.square((start + np.arange(side, dtype=np.float64) - (n - 1) / 2) / (n / 2))
        for start, side, n in zip(origin_yx, tile.shape, frame_shape_yx, strict=True)
    ]
    light = 1.0 - missing * (squared[0][:, None] + squared[1][None, :]) / 2
    return _in_other_light(tile, np.maximum(light, 0.0).astype(np.float32), full_scale, rng, offset_counts)


def defocused(
    tile: NDArray[np.uint16], sigma_px: float, full_scale: int, rng: np.random.Generator, offset_counts: float = 0.0
) -> NDArray[np.uint16]:
    """Return a tile whose light was blurred by a Gaussian of `sigma_px`; beyond its edges it is mirrored."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    blurred = gaussian_filter(tile.astype(np.float32), sigma_px, mode="reflect")
    impulse = np.zeros(2 * math.ceil(5 * sigma_px) + 3)
    impulse[len(impulse) // 2] = 1.0
    kept = float(np.square(gaussian_filter1d(impulse, sigma_px)).sum()) ** 2  # of the noise's variance
    signal = np.maximum(blurred - offset_counts, 0.0)
    return _noisy(signal, (1.0 - kept) * _noise_per_count(tile, offset_counts), full_scale, rng, offset_counts)


def _in_other_light(
    tile: NDArray[np.uint16],
    factor: NDArray[np.float32],
    full_scale: int,
    rng: np.random.Generator,
    offset_counts: float,
) -> NDArray[np.uint16]:
    """Return a tile under `factor` times the light, () or one per pixel."""
    signal = (tile.astype(np.float32) - np.float32(offset_counts)) * factor
    # (k - k^2) v s / mean are missing of the variance; with k s, the signal now, that is (1 - k) times what is due
    share: NDArray[np.float32] = np.maximum(1.0 - factor, 0.0) * np.float32(_noise_per_count(tile, offset_counts))
    return _noisy(signal, share, full_scale, rng, offset_counts)


def _noise_per_count(tile: NDArray[np.uint16], offset_counts: float) -> float:
    """Return the variance of the noise per count of signal."""
    return noise_variance(tile) / max(float(tile.mean(dtype=np.float64)) - offset_counts, 1.0)


def _noisy(
    signal: NDArray[np.float32],
    variance_per_count: NDArray[np.float32] | float,
    full_scale: int,
    rng: np.random.Generator,
    offset_counts: float,
) -> NDArray[np.uint16]:
    sigma = np.sqrt(np.maximum(signal, 0.0) * variance_per_count)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    return _counts(signal + sigma * noise + np.float32(offset_counts), full_scale)


def _counts(values: NDArray[np.floating], full_scale: int) -> NDArray[np.uint16]:
    counts: NDArray[np.uint16] = np.clip(np.rint(values), 0, full_scale).astype(np.uint16)
    return counts


def _row(
    kind: Kind,
    amount: float,
    odds: NDArray[np.float32],
    labels: NDArray[np.int64],
    tiles: TileTable,
    rows: NDArray[np.int64],
    temperature: float,
    threshold: float,
) -> ShiftRow:
    probabilities = calibrate(odds, temperature)
    of_images: dict[int, list[float]] = {}
    for image, p in zip(tiles.image_index[rows].tolist(), probabilities.tolist(), strict=True):
        of_images.setdefault(image, []).append(p)
    of_sections: dict[tuple[tuple[str, str], int], list[float]] = {}
    for image, values in of_images.items():
        of = tiles.images[image]
        of_sections.setdefault((of.section, of.label), []).append(_mean(values))
    scores: tuple[list[float], list[float]] = ([], [])
    for (_section, label), values in of_sections.items():
        scores[label].append(_mean(values))
    low, high = scores
    area = roc_auc(odds, labels)
    assert area is not None, "there are tiles of both classes"
    return ShiftRow(
        kind=kind,
        amount=amount,
        tile_auc=round(area, 4),
        mean_score_low=round(_mean(low), 4),
        mean_score_high=round(_mean(high), 4),
        sections_correct=sum(score < threshold for score in low) + sum(score >= threshold for score in high),
        sections=len(low) + len(high),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
