"""Measure how near the autofocus comes, and that it never makes things worse. Takes some two minutes.

Run with ``python -m benchmarks.focus``: from known defocus on a phantom section and on the demo camera's beads, through
Micro-Manager's demo devices; then on simulated specimens that mislead an autofocus. Exits with 1 if a figure is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.focus_curves import KINDS, search, specimen
from hcc_scope.focus import FocusSettings
from hcc_scope.microscope.autofocus import Autofocus
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.orientation import Orientation
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.runs.rigs import open_rig
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.runs.rigs import OpenRig

DEFOCUS_UM = (-20.0, -10.0, -5.0, -2.0, 2.0, 5.0, 10.0, 20.0)
DEPTHS_UM = (-4.0, -2.0, 0.0, 2.0, 4.0)
SIDE_PX = 1024
CURVES = 1000
MEDIAN_UM, LARGEST_UM, FRAMES = 0.5, 1.0, 20
BEADS = ("Camera,FastImage,0", "Camera,Mode,Fluorescent Beads")


class ThickScene(PhantomScene):
    """Sections of 10 um: five layers of one structure, each in focus at its own depth, in a tenth of the light."""

    def paint(
        self,
        shape_yx: tuple[int, int],
        *,
        stage_um: tuple[float, float, float | None] | None,
        exposure_ms: float,
        em_gain: float | None,
        um_per_px: float,
        seq: int,
        orientation: Orientation = Orientation(),  # noqa: B008 - frozen
    ) -> NDArray[np.uint16]:
        """Return the mean of what the layers show; its noise is that of one short exposure."""
        x_um, y_um, z_um = stage_um or (0.0, 0.0, None)
        field = np.zeros(shape_yx, dtype=np.float32)
        for depth_um in DEPTHS_UM:
            field += self.specimen.render(x_um, y_um, (z_um or 0.0) + depth_um, shape_yx, um_per_px)
        field /= len(DEPTHS_UM)
        return CameraPhysics().expose(field, exposure_ms=exposure_ms / 10, noise_seed=seq)


def place(rig: OpenRig, x_um: float, y_um: float, z_um: float) -> None:
    """Bring the demo stage somewhere, past our own moves: this is the hand that defocuses."""
    core = rig.microscope.backend.core

    def move() -> None:
        core.set_xy_position(x_um, y_um)
        core.set_position(z_um)
        for device in (core.get_xy_stage_device(), core.get_focus_device()):
            core.wait_for_device(device)

    rig.microscope.thread.call("placing the specimen", move)


def from_defocus(rig: OpenRig, name: str, scenes: list[Scene | None], settings: FocusSettings, fields: int) -> bool:
    """Focus from every defocus at several places; 0 um is in focus. Print the errors, return whether all is well."""
    rng = np.random.default_rng(7)
    errors_um: list[float] = []
    frames: list[int] = []
    refused: Counter[str] = Counter()
    for scene in scenes:
        autofocus = Autofocus(rig.microscope, scene=scene, settings=settings)
        for defocus_um in DEFOCUS_UM:
            for x_um, y_um in rng.uniform(-600, 600, size=(fields, 2)).tolist():
                place(rig, x_um, y_um, defocus_um + float(rng.uniform(-0.5, 0.5)))
                result = autofocus.run(StopToken())
                frames.append(len(result.curve))
                if result.accepted:
                    errors_um.append(abs(result.z_um))
                else:
                    refused[result.reason] += 1
        if scene is not None:
            scene.close()
    median_um = float(np.median(errors_um)) if errors_um else float("inf")
    largest_um = max(errors_um, default=float("inf"))
    print(
        f"| {name} | {len(frames)} | {sum(refused.values())} | {median_um:.2f} um | {largest_um:.2f} um"
        f" | {max(frames)} |",
        flush=True,
    )
    for reason, n in refused.items():
        print(f"|   refused: {reason} | {n} | | | | |")
    return not refused and median_um <= MEDIAN_UM and largest_um <= LARGEST_UM and max(frames) <= FRAMES


def misled(n: int, seed: int) -> bool:
    """Search on simulated specimens; print how the searches ended, return whether none ran away or made it worse."""
    print("\n| specimen | searches | accepted | refused | runaways | blurrier than before |\n|---|---|---|---|---|---|")
    runaways = blurrier = 0
    for number, kind in enumerate(KINDS):
        ends: Counter[str] = Counter()
        away = worse = 0
        for i in range(number, n, len(KINDS)):
            outcome = search(specimen(kind, np.random.default_rng([seed, i])))
            ends[outcome.result.reason] += 1
            away += outcome.runaway
            worse += outcome.blurrier
        accepted = ends.pop("in_focus", 0)
        why = ", ".join(f"{count} {reason}" for reason, count in ends.most_common())
        print(f"| {kind} | {accepted + ends.total()} | {accepted} | {why or 0} | {away} | {worse} |")
        runaways += away
        blurrier += worse
    print(f"\n{n:,} misleading curves: {runaways} runaways, {blurrier} times blurrier than before", flush=True)
    return runaways == blurrier == 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.focus", description=__doc__)
    parser.add_argument("--curves", type=int, default=CURVES, help="simulated specimens (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated specimens (default: %(default)s)")
    options = parser.parse_args()
    print("| from 2, 5, 10, 20 um to either side | searches | refused | median error | largest | most frames |")
    print("|---|---|---|---|---|---|")
    sections = [
        Specimen(70, "F0", "S1", "low", day=0, cache_mb=64),
        Specimen(71, "F1", "S1", "high", day=1, cache_mb=64),
    ]
    with open_rig("demo") as rig:
        rig.set_properties([f"Camera,OnCameraCCD{axis}Size,{SIDE_PX}" for axis in "XY"])
        fine = from_defocus(rig, "phantom sections", [PhantomScene(one) for one in sections], FocusSettings(), 2)
        rig.set_properties([f"Camera,OnCameraCCD{axis}Size,512" for axis in "XY"])
        fine &= from_defocus(
            rig, "thick ones in little light", [ThickScene(one) for one in sections], FocusSettings(), 1
        )
        rig.set_properties([f"Camera,OnCameraCCD{axis}Size,{SIDE_PX}" for axis in "XY"])
        rig.set_properties(BEADS)
        # beads are no tissue: what is judged there is any structure, and the event of each search records it
        fine &= from_defocus(rig, "demo camera's beads", [None], FocusSettings(judged="structure"), 4)
    fine &= misled(options.curves, options.seed)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
