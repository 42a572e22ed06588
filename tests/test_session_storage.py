"""The session with the real store and the real demo camera: what was acquired is stored, deferred frames come back."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from session_parts import (
    BASE,
    EVERYTHING,
    FRAME_BYTES,
    TILE_PX,
    Classifier,
    Gate,
    Source,
    finish,
    new_scorer,
    run,
    wait_until,
)

from hcc_scope.errors import StoreError
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import Sequence
from hcc_scope.protocols import FrameSource, Tiles
from hcc_scope.quality import QualityLimits
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.session import Session, SessionLimits
from hcc_scope.storage.frame_array import FrameArray
from hcc_scope.storage.predictions import PredictionWriter, read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.source import StoreSource
from hcc_scope.storage.writer import create_store
from hcc_scope.types import Classification, Counts, RunOutcome

DARK_TOO = replace(EVERYTHING, mean_level_min=0.0)


def record(
    source: FrameSource,
    out: Path,
    classifier: Classifier,
    *,
    analyse_frames: int = 64,
    limits: QualityLimits = EVERYTHING,
) -> tuple[Session, Path]:
    sink = create_store(out, source.spec)

    def finalise(outcome: RunOutcome) -> None:
        sink.finalise({"state": outcome.state, "score": outcome.score.score})

    session = Session(
        source,
        sink,
        classifier,
        scorer=new_scorer(),
        limits=limits,
        results=PredictionWriter(sink.path, source.spec, run="live"),
        finalise=finalise,
        session_limits=SessionLimits(analyse_queue_bytes=analyse_frames * FRAME_BYTES),
    )
    return session, sink.path


def replay(path: Path) -> RunOutcome:
    return run(
        Session(
            StoreSource(open_store(path)),
            None,
            Classifier(),
            scorer=new_scorer(),
            limits=EVERYTHING,
            results=PredictionWriter(path, open_store(path).spec, run="again", name="predictions-again"),
        )
    )


def test_live_with_deferred_frames_and_its_replay_are_equal_bit_for_bit(tmp_path: Path):
    analysis = Gate()

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()

    source = Source(range(20), before=before, black=[4], expected_frames=20)
    session, path = record(source, tmp_path, Classifier(analysis.at(0)), analyse_frames=2)
    session.start()
    wait_until(lambda: session.snapshot().counts.stored == 20)
    analysis.open()
    outcome = finish(session)
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=20, stored=20, classified=19, excluded=1)

    store = open_store(path)
    assert store.complete
    assert [int(store.read(seq).pixels[0, 0]) for seq in (0, 4, 19)] == [BASE, 0, BASE + 19]
    replayed = replay(path)
    assert replayed.score == outcome.score
    live, again = read_predictions(path), read_predictions(path, name="predictions-again")
    assert live.keys() == again.keys() == set(range(20))
    for seq in live:
        np.testing.assert_array_equal(live[seq].logits, again[seq].logits)
        np.testing.assert_array_equal(live[seq].flags, again[seq].flags)


def test_a_disk_that_fails_midway_keeps_what_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    start_write = FrameArray.start_write

    def failing(self: FrameArray, seq: int, pixels: np.ndarray) -> object:
        if seq == 5:
            raise StoreError("the disk is gone")
        return start_write(self, seq, pixels)

    monkeypatch.setattr(FrameArray, "start_write", failing)
    session, path = record(Source(range(50)), tmp_path, Classifier())
    outcome = run(session)
    assert outcome.state == "failed"
    assert "the disk is gone" in str(outcome.cause)
    assert outcome.counts.stored == 5
    store = open_store(path)
    assert store.n_frames == 5
    assert [int(store.read(seq).pixels[0, 0]) - BASE for seq in range(5)] == list(range(5))
    # the score that was recorded is that of the frames that are there, however far analysis was ahead
    assert read_predictions(path).keys() == set(range(5))
    assert outcome.counts.classified == 5
    assert replay(path).score == outcome.score


@pytest.mark.parametrize("kept", [0, 2])
def test_a_store_that_is_deleted_or_cut_during_a_run_fails_it_with_what_is_left(tmp_path: Path, kept: int):
    def before(seq: int) -> None:
        if seq == 8:
            wait_until(lambda: session.snapshot().counts.stored == 8)
            [path] = tmp_path.iterdir()
            if kept == 0:
                shutil.rmtree(path)
            else:
                lines = (path / "frames.jsonl").read_bytes().splitlines(keepends=True)
                os.truncate(path / "frames.jsonl", len(b"".join(lines[:kept])))

    session, path = record(Source(range(2000), before=before), tmp_path, Classifier())
    outcome = run(session)
    assert outcome.state == "failed"
    assert f"{kept} of the 8 frames that had been stored are in" in "; ".join(
        [str(outcome.cause), *getattr(outcome.cause, "__notes__", ())]
    )
    assert outcome.counts.stored == kept
    assert outcome.counts.classified <= kept
    assert path.exists() is (kept > 0)


def test_a_damaged_frame_is_missed_and_the_rest_replayed(tmp_path: Path):
    session, path = record(Source(range(6)), tmp_path, Classifier())
    finish_live = run(session)
    assert finish_live.counts == Counts(acquired=6, stored=6, classified=6)
    FrameArray(path, open_store(path).spec.frame_shape_yx).shard_path(2).unlink()
    outcome = replay(path)
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=5, classified=5, lost=1)
    assert outcome.score.interval_frames == 5


def test_stop_leaves_a_complete_store_of_what_was_acquired(tmp_path: Path):
    def before(seq: int) -> None:
        if seq == 7:
            session.stop()

    session, path = record(Source(range(100), before=before, expected_frames=100), tmp_path, Classifier())
    outcome = run(session)
    assert outcome.state == "cancelled"
    assert outcome.counts == Counts(acquired=7, stored=7, classified=7)
    store = open_store(path)
    assert (store.complete, store.n_frames) == (True, 7)


class Brightness(Classifier):
    """Logits from a real frame's pixels; the first call waits."""

    def __init__(self, first: Gate) -> None:
        super().__init__()
        self._first = first

    def classify(self, tiles: Tiles) -> Classification:
        self._first()
        level = np.float32([tile.mean(dtype=np.float64) for tile in tiles]) / 65535
        return Classification(np.stack([-level, level], axis=1))


def test_a_sequence_of_the_demo_camera_outruns_analysis_and_nothing_is_lost(
    demo_cfg: Callable[..., Path], adapters_dir: Path, tmp_path: Path
):
    n = 200
    analysis = Gate()
    cfg = demo_cfg(OnCameraCCDXSize=64, OnCameraCCDYSize=64)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, roles=load_rig("demo").roles) as rig:
        plan = Sequence(n_frames=n, exposure_ms=2)
        source = MicroManagerSource(rig, plan, animal_id="a1", section_id="s1", tile_px=TILE_PX)
        session, path = record(source, tmp_path / "out", Brightness(analysis), analyse_frames=4, limits=DARK_TOO)
        session.start()
        wait_until(lambda: session.snapshot().counts.stored == n)
        assert session.snapshot().counts.deferred >= n - 6
        analysis.open()
        outcome = finish(session)
    assert outcome.state == "completed"
    assert outcome.cause is None
    assert outcome.counts.acquired == outcome.counts.stored == n
    assert outcome.counts.classified == n
    assert outcome.rates["acquire_fps"] > 0
    store = open_store(path)
    assert [store.read(seq).camera_frame for seq in (0, n - 1)] == [0, n - 1]
    assert read_predictions(path).keys() == set(range(n))


def test_stopping_the_demo_camera_keeps_every_frame_it_gave(
    demo_cfg: Callable[..., Path], adapters_dir: Path, tmp_path: Path
):
    analysis = Gate()
    cfg = demo_cfg(OnCameraCCDXSize=64, OnCameraCCDYSize=64)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, roles=load_rig("demo").roles) as rig:
        plan = Sequence(n_frames=20_000, exposure_ms=2)
        source = MicroManagerSource(rig, plan, animal_id="a1", section_id="s1", tile_px=TILE_PX)
        session, path = record(source, tmp_path / "out", Brightness(analysis), analyse_frames=4, limits=DARK_TOO)
        session.start()
        wait_until(lambda: session.snapshot().counts.stored >= 20)
        session.stop()
        session.stop()
        analysis.open()
        outcome = finish(session)
    assert outcome.state == "cancelled"
    assert 20 <= outcome.counts.acquired == outcome.counts.stored < 20_000
    assert outcome.counts.deferred > 0
    assert open_store(path).n_frames == outcome.counts.stored
