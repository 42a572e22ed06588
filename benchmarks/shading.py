"""Measure the correction by dark and flat fields: its cost, what it leaves of a vignette, and the score with it.

Run with ``python -m benchmarks.shading``; takes two minutes. Everything is the product's own: the phantom and its
camera physics, references from shots of that camera, the shipped model on the reference engine.

- *Cost*: one frame of 2048 x 2048 px, beside the same formula in plain NumPy (float32, whole frames).
- *Residual*: blank glass under a vignette of 25 %, without noise, after the correction: the largest difference from
  its mean.
- *Estimate*: a flat field from 50 fields of tissue at random places, beside the light that there was.
- *Score*: the same sections under even light and under the vignette with the same mean light, as an operator sets the
  exposure: raw and corrected, each with its own noise. The last column has the same lamp instead, whose corners are
  darker and whose mean is therefore lower: what stays there is exposure, to which the model answers as its card
  states, and no shading.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.phantom.camera import vignetting_map
from hcc_scope.phantom.effects import DayEffect
from hcc_scope.quality import QualityLimits
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.scoring import frame_score
from hcc_scope.session.frame_analysis import FrameAnalyser
from hcc_scope.shading.correction import Shading
from hcc_scope.shading.estimate import LEAST_FIELDS, estimate_flat
from hcc_scope.shading.making import LEAST_SHOTS, Refusal, Shots
from hcc_scope.shading.reference import Reference, Settings
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from hcc_scope.runs.scoring_model import ScoringModel

SIDE_PX = 2048
SHAPE_YX = (SIDE_PX, SIDE_PX)
VIGNETTE = 0.25
ROUNDS = 100
ESTIMATE_PX = 512
ESTIMATE_SECTIONS = 5
"""Of each class."""
EXPOSURE_MS = 10.0
CAMERA = CameraPhysics()
EVEN = DayEffect()
SAME_LAMP = DayEffect(vignetting=VIGNETTE)
SAME_MEAN = replace(SAME_LAMP, illumination=1.0 / float(vignetting_map(SHAPE_YX, SAME_LAMP).mean(dtype=np.float64)))
SETTINGS = Settings(rig="phantom", roi=(0, 0, SIDE_PX, SIDE_PX), bit_depth=16, exposure_ms=EXPOSURE_MS)


def references() -> Shading:
    """Take a dark and a flat field of the phantom's camera under the vignette."""
    nothing, glass = np.zeros(SHAPE_YX, np.float32), np.ones(SHAPE_YX, np.float32)
    dark = made(Shots("dark", SETTINGS), lambda i: expose(nothing, SAME_LAMP, i))
    flat = made(Shots("flat", SETTINGS, dark), lambda i: expose(glass, SAME_LAMP, 1000 + i))
    return Shading(dark, flat)


def made(shots: Shots, shot: Callable[[int], NDArray[np.uint16]]) -> Reference:
    for i in range(LEAST_SHOTS[shots.kind]):
        refusal = shots.add(shot(i))
        assert refusal is None, refusal.message
    reference = shots.finish()
    assert not isinstance(reference, Refusal), reference.message
    return reference


def expose(light: NDArray[np.float32], day: DayEffect, seed: int) -> NDArray[np.uint16]:
    return CAMERA.expose(light, exposure_ms=EXPOSURE_MS, noise_seed=seed, day=day)


# ---- cost and residual


def plain(raw: NDArray[np.uint16], dark: NDArray[np.float32], flat: NDArray[np.float32]) -> NDArray[np.uint16]:
    corrected = np.rint((raw - dark) / flat + dark.mean())
    return np.asarray(np.clip(corrected, 0, 65535).astype(np.uint16))


def milliseconds(body: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median and the least time."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        body()
        times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times)), min(times)


def lens() -> NDArray[np.float32]:
    """Return a vignette that no polynomial is: cos^4 of the angle, off the middle, 25 % in the farthest corner."""
    y, x = (np.mgrid[:SIDE_PX, :SIDE_PX] - (SIDE_PX - 1) / 2) / (SIDE_PX / 2)
    distance = (y - 0.10) ** 2 + (x + 0.06) ** 2
    slope = (1 - VIGNETTE) ** -0.5 - 1
    light: NDArray[np.float32] = ((1 + distance / distance.max() * slope) ** -2).astype(np.float32)
    return light


def residual(light: NDArray[np.float32]) -> tuple[float, float]:
    """Return the largest share by which blank glass differs from its mean, raw and corrected, without noise."""
    dark = made(Shots("dark", SETTINGS), lambda i: expose(np.zeros(SHAPE_YX, np.float32), EVEN, i))
    flat = made(Shots("flat", SETTINGS, dark), lambda i: expose(light, EVEN, 2000 + i))
    mean, _ = CAMERA.expected(1.0, exposure_ms=EXPOSURE_MS)
    raw = np.rint((float(mean) - CAMERA.offset_counts) * light + CAMERA.offset_counts).astype(np.uint16)

    def uneven(pixels: NDArray[np.uint16]) -> float:
        level = pixels - CAMERA.offset_counts
        return float(np.abs(level / level.mean() - 1).max())

    # a dark field's noise is no matter of flatness: without it, by its mean
    even_dark = Reference.of_map("dark", np.full(SHAPE_YX, CAMERA.offset_counts), SETTINGS, shots=0)
    return uneven(raw), uneven(Shading(even_dark, flat).corrected(raw))


# ---- score


def fields(
    n_sections: int, n_fields: int, um_per_px: float, side_px: int = SIDE_PX
) -> Iterator[tuple[str, int, NDArray[np.float32]]]:
    """Yield section, number and light of fields at random places within sections of both classes."""
    for seed in range(n_sections):
        for tumour_class in ("low", "high"):
            specimen = Specimen(2100 + seed, f"bench-{tumour_class}", "1", tumour_class, day="bench")
            rng = np.random.default_rng(seed)
            outline = specimen.outline_um
            for i in range(n_fields):
                while True:
                    x, y = rng.uniform(outline.min(axis=0), outline.max(axis=0))
                    half = side_px * um_per_px / 2
                    if all(specimen.contains(x + dx, y + dy) for dx in (-half, half) for dy in (-half, half)):
                        break
                yield f"{tumour_class} {seed + 1}", i, specimen.render(x, y, 0.0, (side_px, side_px), um_per_px)


def estimate(um_per_px: float) -> str:
    """Return how far a flat field that is estimated from fields of tissue is from the true light."""
    shape_yx = (ESTIMATE_PX, ESTIMATE_PX)  # of the same fields, at a quarter of the resolution
    here = SETTINGS.model_copy(update={"roi": (0, 0, *shape_yx)})
    dark = Reference.of_map("dark", np.full(shape_yx, CAMERA.offset_counts), here, shots=0)
    shots = (
        CAMERA.expose(light, exposure_ms=EXPOSURE_MS, noise_seed=9000 + i, day=SAME_LAMP)
        for i, (_, _, light) in enumerate(
            fields(
                ESTIMATE_SECTIONS,
                LEAST_FIELDS // ESTIMATE_SECTIONS // 2,
                um_per_px * SIDE_PX / ESTIMATE_PX,
                ESTIMATE_PX,
            )
        )
    )
    made = estimate_flat(shots, dark, here)
    if isinstance(made, Refusal):
        return f"refused: {made.reason}"
    light = vignetting_map(shape_yx, SAME_LAMP)
    apart = np.abs(made.values / (light / light.mean(dtype=np.float64)) - 1)
    return f"{apart.max():.2%} at most, {apart.mean():.2%} on average, from {made.manifest.shots} fields"


def frame_of(pixels: NDArray[np.uint16], seq: int) -> Frame:
    from datetime import UTC, datetime

    return Frame(
        seq=seq,
        pixels=pixels,
        t_mono_ns=0,
        t_utc=datetime.now(UTC),
        exposure_ms=EXPOSURE_MS,
        section_id="1",
    )


def scores(
    scoring_model: ScoringModel, shading: Shading, n_sections: int, n_fields: int
) -> dict[str, dict[str, list[float]]]:
    """Return the fields' scores, by section and by light."""
    card = scoring_model.model.card

    def analyser(correction: Shading | None) -> FrameAnalyser:
        return FrameAnalyser(
            grid=TileGrid.for_frame(SHAPE_YX, card.tile_px),
            limits=QualityLimits(),
            classify=scoring_model.classifier.classify,
            engine=scoring_model.classifier.engine,
            temperature=card.temperature,
            unlike_beyond=scoring_model.unlike_beyond,
            shading=correction,
        )

    raw, corrected = analyser(None), analyser(shading)
    found: dict[str, dict[str, list[float]]] = {}
    for section, i, light in fields(n_sections, n_fields, card.pixel_size_um):
        for name, day, how, seed in (
            ("even", EVEN, raw, 5000),
            ("raw", SAME_MEAN, raw, 6000),
            ("corrected", SAME_MEAN, corrected, 6000),
            ("same lamp", SAME_LAMP, corrected, 6000),
        ):
            score = frame_score(how.analyse(frame_of(expose(light, day, seed + i), i)))
            if score is not None:
                found.setdefault(section, {}).setdefault(name, []).append(score)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", type=int, default=3, help="of each class")
    parser.add_argument("--fields", type=int, default=6, help="of each section")
    options = parser.parse_args()
    shading = references()

    frame = expose(np.full(SHAPE_YX, 0.7, np.float32), SAME_LAMP, 7)
    dark, flat = shading.dark.values.astype(np.float32), shading.flat.values.astype(np.float32)
    apart = np.abs(shading.corrected(frame).astype(np.int32) - plain(frame, dark, flat)).max()
    ours, numpy = (milliseconds(body) for body in (lambda: shading.corrected(frame), lambda: plain(frame, dark, flat)))
    print(f"cost of one frame of {SIDE_PX} x {SIDE_PX} px, median and least of {ROUNDS} (ms)")
    print("  ours          {:5.2f} {:5.2f}".format(*ours))
    print("  plain NumPy   {:5.2f} {:5.2f}".format(*numpy))
    print("  ratio         {:5.1f} {:5.1f}".format(*(slow / fast for slow, fast in zip(numpy, ours, strict=True))))
    print(f"  largest difference between them: {apart} count")
    for name, light in (("of the phantom", vignetting_map(SHAPE_YX, SAME_LAMP)), ("of a lens, off centre", lens())):
        before, after = residual(light)
        print(f"residual of a vignette of {VIGNETTE:.0%}, {name}: {before:.2%} raw, {after:.2%} corrected")

    scoring_model = load_scoring_model("phantom-meng2019", "torchscript", lambda _: None)
    um_per_px = scoring_model.model.card.pixel_size_um
    print(f"flat field estimated from tissue, off the true light: {estimate(um_per_px)}")

    print(f"score of sections of {options.fields} fields, under even light and as it moves under the vignette")
    print("  section   even    raw       corrected  (same lamp)")
    moved: dict[str, list[float]] = {"raw": [], "corrected": [], "same lamp": []}
    for section, by_light in scores(scoring_model, shading, options.sections, options.fields).items():
        even = float(np.mean(by_light["even"]))
        moves = {name: float(np.mean(by_light[name])) - even for name in moved}
        for name, move in moves.items():
            moved[name].append(abs(move))
        print(
            f"  {section:8s}  {even:.4f}  {moves['raw']:+.4f}   {moves['corrected']:+.4f}    "
            f"({moves['same lamp']:+.4f})"
        )
    largest = {name: max(values) for name, values in moved.items()}
    print(
        f"  largest move: {largest['raw']:.4f} raw, {largest['corrected']:.4f} corrected"
        f" ({largest['same lamp']:.4f} with the same lamp)"
    )


if __name__ == "__main__":
    main()
