"""How many frames a second are acquired, stored and classified, over a time that caches do not cover.

A real session on the open rig: single exposures where the stage stands, a real store (removed afterwards), every tile
classified, whatever it shows. The source waits for storage and for analysis, so the rate is the one that the whole can
keep up for ever; nothing is put off. Few frames wait at any time, so that the run ends soon after the last one.
"""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.doctor.devices import drawing
from hcc_scope.doctor.disk import free_bytes
from hcc_scope.doctor.results import failed, not_tried, passed, warned
from hcc_scope.errors import HccScopeError, ModelError, ModelMismatchError
from hcc_scope.formatting import counted, format_bytes, format_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcc_scope.doctor.results import Result
    from hcc_scope.doctor.subject import Subject
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.protocols import FrameSource, StopSignal
    from hcc_scope.types import Frame, RunOutcome

__all__ = ["frame_rate", "judge_rate", "model_fits"]

_LEAST_FPS = 1.0
"""Below this a section of 24 fields waits longer for its score than for its frames."""
_MOST_FRAMES = 1_000_000
_MOST_BYTES_PER_S = 400e6
_WAKE_S = 0.2
"""So that Ctrl-C is noticed on every system."""
_WAITING_FRAMES = 4
"""In each queue: enough to keep storage and analysis busy. The queues of a section hold minutes of a slow computer."""


class _WaitingSource:
    """A camera's single exposures, each taken when storage and analysis have room for it."""

    live = False
    pauses_itself = True

    def __init__(self, source: MicroManagerSource) -> None:
        self._source = source
        self.spec = replace(source.spec, expected_frames=None)

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        return self._source.frames(stop)


def _source(subject: Subject) -> FrameSource:
    from hcc_scope.microscope.plan_source import MicroManagerSource
    from hcc_scope.plans import TimeSeries

    card = subject.scoring_model.model.card
    plan = TimeSeries(n_frames=_MOST_FRAMES, interval_s=0)
    source = MicroManagerSource(
        subject.rig.microscope, plan, animal_id="doctor", section_id="check", tile_px=card.tile_px
    )
    return _WaitingSource(source)


def model_fits(subject: Subject) -> Result:
    """Check that the model was trained on frames like this camera's."""
    with subject.prepared():
        spec = _source(subject).spec
    model = subject.scoring_model.model
    try:
        model.check_matches(spec)
    except ModelMismatchError as error:
        return warned(error.message, error.hint or "Choose another model", pixel_size_um=spec.pixel_size_um)
    return passed(f"the model {model.card.name} fits frames of {spec.pixel_size_um:g} um/px and {spec.bit_depth} bits")


def frame_rate(subject: Subject) -> Result:
    """Acquire, store and classify for a while."""
    seconds = subject.options.seconds
    assert subject.options.scratch_dir is not None  # made for the examination
    folder = Path(subject.options.scratch_dir) / "sections"
    free = free_bytes(folder)
    need = seconds * _MOST_BYTES_PER_S
    if free is not None and free < need:
        words = f"{format_bytes(free)} are free, and {seconds:g} s may take {format_bytes(need)}"
        return not_tried(words, "Free some space, or choose another disk with --out")
    try:
        with _noise(subject), subject.prepared():
            outcome = _run(subject, folder, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judge_rate(outcome)


@contextmanager
def _noise(subject: Subject) -> Iterator[None]:
    """Let the demo camera repeat a picture of noise, which compresses as a real frame does; nothing for others."""
    label = subject.camera.label
    mode = subject.property_value(label, "Mode") if subject.camera.library == "DemoCamera" else None
    if mode is None:
        yield
        return
    subject.set_property(label, "Mode", "Noise")
    try:
        with drawing(subject):
            subject.snap()
        yield
    finally:
        subject.set_property(label, "Mode", mode)


def _run(subject: Subject, folder: Path, seconds: float) -> RunOutcome:
    from hcc_scope.bench.live import EVERY_TILE
    from hcc_scope.session import Session, SessionLimits
    from hcc_scope.storage.predictions import PredictionWriter
    from hcc_scope.storage.writer import create_store

    source = _source(subject)
    model = subject.scoring_model
    height, width = source.spec.frame_shape_yx
    waiting_bytes = _WAITING_FRAMES * 2 * height * width
    sink = create_store(folder, source.spec)
    session = Session(
        source,
        sink,
        model.classifier,
        scorer=model.scorer(source.spec),
        limits=EVERY_TILE,
        results=PredictionWriter(sink.path, source.spec, run="doctor"),
        finalise=lambda outcome: sink.finalise({"state": outcome.state}),
        session_limits=SessionLimits(store_queue_bytes=waiting_bytes, analyse_queue_bytes=waiting_bytes),
    )
    session.start()
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0 and not session.wait(min(_WAKE_S, left_s)):
        pass
    session.stop()
    return session.join()


def judge_rate(outcome: RunOutcome) -> Result:
    """Judge a run that was ended after a while."""
    counts, fps = outcome.counts, outcome.rates.get("end_to_end_fps", 0.0)
    facts = {
        "frames_per_s": round(fps, 2),
        "frames": counts.acquired,
        "p95_ms": round(outcome.latency_ms.get("p95", 0.0), 1),
    }
    if outcome.cause is not None:
        error = outcome.cause
        if not isinstance(error, HccScopeError):
            raise error
        return failed(error, "", exit_code=error.exit_code, **facts)
    if outcome.degraded is not None:
        return failed(outcome.degraded, "hcc-scope models test", exit_code=ModelError.exit_code, **facts)
    n = counted(counts.acquired, "frame")
    words = f"{format_number(fps, 1)} frames/s acquired, stored and classified, over {n}"
    if fps < _LEAST_FPS:
        advice = "Frames are stored at the camera's pace and classified later; a faster engine needs another computer"
        return warned(words, advice, **facts)
    return passed(words, **facts)
