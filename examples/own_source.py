"""Frames of your own, through the whole pipeline: stored, classified, scored.

A source is a class with a `spec`, a `live` and a generator `frames`. This one draws the phantom that the shipped model
knows; yours may read a folder of images, or ask a camera that Micro-Manager does not know.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.api import Frame, RunSpec, StopSignal, load_model, start_section
from hcc_scope.phantom import CameraPhysics, Specimen

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE_PX, PIXEL_SIZE_UM, EXPOSURE_MS = 512, 0.325, 10.0


class PhantomSource:
    """A few fields of a phantom section, in a row."""

    live = False
    """True for a camera, whose frames cannot wait: analysis then never holds it up."""

    def __init__(self, n_frames: int) -> None:
        self._n_frames = n_frames
        self._specimen = Specimen(seed=7, animal="M7", section="S1", tumour_class="high")
        self._camera = CameraPhysics()
        self.spec = RunSpec(
            frame_shape_yx=(SIDE_PX, SIDE_PX),
            bit_depth=16,
            pixel_size_um=PIXEL_SIZE_UM,
            animal_id="M7",
            section_id="S1",
            sampling="positions",  # only "random", and fields that are, make the score's interval valid
            expected_frames=n_frames,
            provenance={"specimen": "synthetic phantom, not tissue"},
        )

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Yield frames, numbered 0, 1, 2 ..., until all are there or the run shall end."""
        for seq in range(self._n_frames):
            if stop.requested:
                return
            x_um = 170.0 * seq
            field = self._specimen.render(x_um, 0.0, 0.0, self.spec.frame_shape_yx, PIXEL_SIZE_UM)
            pixels = self._camera.expose(field, exposure_ms=EXPOSURE_MS, noise_seed=seq, day=self._specimen.day_effect)
            pixels.flags.writeable = False  # the pipeline keeps these pixels; it does not copy them
            yield Frame(
                seq=seq,
                pixels=pixels,
                t_mono_ns=time.monotonic_ns(),
                t_utc=datetime.now(UTC),
                exposure_ms=EXPOSURE_MS,
                section_id=self.spec.section_id,
                stage_um=(x_um, 0.0, None),
                pixel_size_um=PIXEL_SIZE_UM,
            )


def main(out: Path, n_frames: int = 3) -> None:
    """Acquire a section into a new store below `out`."""
    model = load_model("phantom-meng2019", "torchscript")
    run = start_section(PhantomSource(n_frames), model, out)
    outcome = run.finish().outcome  # run.session.stop() ends it early, run.session.pause() holds it
    print(f"{outcome.state}: {run.store_path}")
    print(f"{outcome.counts.classified} of {outcome.counts.acquired} frames classified, score {outcome.score.score}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
