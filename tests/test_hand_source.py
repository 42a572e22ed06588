"""Sections by hand on Micro-Manager's real demo camera: a hand follows a list of places, or the camera runs freely."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.by_hand import GuidedSource, screen_word
from hcc_scope.errors import CameraError, DeviceError, PlanError, RigError, StoreError
from hcc_scope.microscope import stall
from hcc_scope.microscope.hand_source import Guided, HandSource
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.position_tags import DRAWN_TAG, FORCED_TAG, PositionOrigin, position_origin
from hcc_scope.protocols import EventfulSource, PausingSource, ReportingSource
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.workers import StopToken
from tests.faulty_core import FaultyCore
from tests.hand_parts import PatternScene, Walk, rests_at
from tests.session_parts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from hcc_scope.by_hand import HandView
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.types import Frame

FULL_SCALE = 2**16 - 1
FIELD_UM = 256 * 0.325
SMALL = {"OnCameraCCDXSize": 256, "OnCameraCCDYSize": 256, "Exposure": 1}


@pytest.fixture
def cfg(demo_cfg: Callable[..., Path]) -> Path:
    return demo_cfg(**SMALL)


@pytest.fixture
def rig(cfg: Path, adapters_dir: Path) -> Iterator[MicroManager]:
    roles = load_rig("demo").roles
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16, roles=roles) as opened:
        yield opened


@pytest.fixture
def stageless(cfg: Path, adapters_dir: Path) -> Iterator[MicroManager]:
    """The demo rig without stage and focus drive."""
    lines = [line for line in cfg.read_text(encoding="utf-8").splitlines() if not _is_of_a_stage(line)]
    cfg.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=16) as opened:
        yield opened


def _is_of_a_stage(line: str) -> bool:
    return bool({"XY", "Z", "XYStage", "Focus"} & set(line.split(",")))


def by_hand(rig: MicroManager, **how: object) -> HandSource:
    how = {"scene": PatternScene(FULL_SCALE), **how}
    return HandSource(rig, animal_id="m1", section_id="s1", tile_px=128, **how)  # type: ignore[arg-type]


def walked(rig: MicroManager, walk: Walk, scene: PatternScene | None = None) -> tuple[HandSource, list[Frame]]:
    source = by_hand(rig, operator=walk, scene=scene or PatternScene(FULL_SCALE))
    return source, list(source.frames(StopToken()))


def words(views: list[HandView]) -> list[str]:
    """Return what was on the screen, each word once in a row."""
    shown = [screen_word(view)[0] for view in views]
    return [word for i, word in enumerate(shown) if i == 0 or word != shown[i - 1]]


def place_um(frame: Frame) -> tuple[float, float]:
    """Return the tracked place of a frame."""
    assert frame.stage_um is not None
    x_um, y_um, z_um = frame.stage_um
    assert z_um is None
    return x_um, y_um


def happened(rig: MicroManager, what: str) -> list[Mapping[str, object]]:
    return [event.facts for event in rig.events.recent("hand") if event.facts["what"] == what]


# --- what is captured ---


def test_fields_are_captured_where_the_hand_rests_and_the_same_hand_captures_the_same_bits(rig: MicroManager):
    stops = [(0.0, 0.0), (70.0, 0.0), (70.0, 70.0)]
    runs = []
    for _ in range(2):
        walk = Walk(rig, rests_at(*stops))
        source, frames = walked(rig, walk)
        runs.append(frames)
        for protocol in (PausingSource, ReportingSource, EventfulSource, GuidedSource):
            assert isinstance(source, protocol)
        assert source.spec.sampling == "chosen"
        assert source.spec.expected_frames is None
        assert "still_um_s" in str(source.spec.provenance["capture_rules"])
        assert source.remark is None
        assert words(walk.views)[:4] == ["waiting", "captured", "already here", "moving"]
        kept = {view.captured_seq: view.frame for view in walk.views if view.verdict.fit}
        assert [kept[seq].pixels is frames[seq].pixels for seq in range(3)] == [True] * 3
        assert [view.n_seen for view in walk.views] == list(range(1, walk.n))
        last = walk.views[-1]
        assert (last.n_captured, last.n_forced, last.phase, last.automatic) == (3, 0, "free", True)
        assert len(last.places_um) == 3
    first, again = runs
    for frame, same, stop_um in zip(first, again, stops, strict=True):
        assert np.array_equal(frame.pixels, same.pixels)
        assert frame.stage_um == same.stage_um
        assert place_um(frame) == pytest.approx(stop_um, abs=1.0)
        origin = position_origin(frame.tags, has_position=True)
        assert (origin.source, origin.island) == ("tracked", 0)
        assert origin.se_um is not None
        assert frame.camera_frame is None
        assert frame.exposure_ms == 1.0
    assert [frame.seq for frame in first] == [0, 1, 2]
    assert not rig.backend.core.is_sequence_running()
    assert rig.use.state == "free"


def test_a_field_that_is_kept_anyway_while_lost_has_no_position(rig: MicroManager):
    source: HandSource | None = None
    gone = (180.0, 180.0)
    walk = Walk(
        rig,
        [*rests_at((0.0, 0.0)), *[gone] * 6, *rests_at((0.0, 0.0))],
        {8: lambda: source and source.keep_anyway()},
    )
    source = by_hand(rig, operator=walk)
    first, forced = source.frames(StopToken())
    assert first.stage_um is not None
    assert forced.stage_um is None
    assert position_origin(forced.tags, has_position=False) == PositionOrigin("unknown")
    assert forced.tags["position_from"] == "unknown"
    assert forced.tags[FORCED_TAG] in ("lost", "too fast")
    states = [view.track.state for view in walk.views]
    lost_at = states.index("lost")
    assert lost_at <= 7  # within 3 frames
    assert states[-1] == "tracking"  # back over what is known
    assert source.remark == "1 field kept although a rule of capture spoke against it"
    assert walk.views[-1].n_forced == 1
    assert happened(rig, "kept anyway") == [{"what": "kept anyway", "seq": 1, "word": forced.tags[FORCED_TAG]}]
    with pytest.raises(PlanError, match="the fields of this section are chosen freely"):
        source.skip_target("fold")


def test_what_is_undone_is_captured_again_once_the_stage_has_moved(rig: MicroManager):
    excluded: list[int] = []
    source: HandSource | None = None

    def fail(_seq: int) -> None:
        raise StoreError("the disk is gone")

    def undo() -> None:
        assert source is not None
        with pytest.raises(StoreError, match="gone"):
            source.undo(fail)
        assert source.undo(excluded.append) == 0
        assert source.undo(excluded.append) is None

    stops = [(0.0, 0.0), (40.0, 0.0), (0.0, 0.0), (120.0, 0.0)]
    walk = Walk(rig, rests_at(*stops), {5: undo})
    source = by_hand(rig, operator=walk)
    frames = list(source.frames(StopToken()))
    assert excluded == [0]
    # the place of the second one overlaps that of the first, which no longer counts; the third is too near to it
    assert [round(place_um(frame)[0], -1) for frame in frames] == [0, 40, 120]
    assert [frame.seq for frame in frames] == [0, 1, 2]
    assert walk.views[-1].n_captured == 2
    assert happened(rig, "undo") == [{"what": "undo", "seq": 0}]


def test_on_request_alone(rig: MicroManager):
    source: HandSource | None = None
    walk = Walk(
        rig,
        [*rests_at((0.0, 0.0), n_rest=8), *rests_at((180.0, 180.0))],
        {
            0: lambda: source and source.set_automatic(on=False),
            6: lambda: source and source.capture(),
        },
    )
    source = by_hand(rig, operator=walk)
    (frame,) = source.frames(StopToken())
    assert place_um(frame) == pytest.approx((0.0, 0.0), abs=1.0)
    assert words(walk.views) == ["waiting", "by key", "captured", "already here", "too fast", "lost"]


def test_a_request_that_no_frame_fulfils_is_given_up(rig: MicroManager):
    source: HandSource | None = None
    there_and_back = [(12.0 * x, 0.0) for x in (*range(20), *range(20, 0, -1))]
    walk = Walk(
        rig,
        there_and_back,
        {0: lambda: source and source.set_automatic(on=False), 3: lambda: source and source.capture()},
    )
    source = by_hand(rig, operator=walk)
    assert list(source.frames(StopToken())) == []
    assert walk.views[-1].message == "not captured: no fit frame within 3 s"
