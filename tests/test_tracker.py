"""The tracker: positions of a field that is moved by hand, and a clear word whenever there is none."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import ndimage

from hcc_scope.orientation import Orientation
from hcc_scope.tracking import Place, Tracker, TrackSettings
from hcc_scope.tracking.key_frames import KeyFrames
from tests.tracking_world import MIDDLE, Camera, picture, texture

UM = 0.5


class Hand:
    """Moves a tracker's field about, from the middle of the world, in steps of px."""

    def __init__(self, camera: Camera | None = None, tracker: Tracker | None = None, **settings: object) -> None:
        self.camera = camera or Camera()
        self.tracker = tracker or Tracker(self.camera.shape_yx, UM, settings=TrackSettings(**settings))
        self.y, self.x = self.y0, self.x0 = float(MIDDLE), float(MIDDLE)
        self.n = 0

    def see(self, **frame: float):
        self.n += 1
        return self.tracker.see(self.camera.frame(self.y, self.x, self.n, **frame), self.n / 10)

    def move(self, dy: float, dx: float):
        self.y, self.x = self.y + dy, self.x + dx
        return self.see()

    def go(self, y: float, x: float, stride: float = 60.0):
        """Go to a place in steps that can be followed; return all that was seen."""
        far = math.hypot(y - self.y, x - self.x)
        n = max(1, math.ceil(far / stride))
        dy, dx = (y - self.y) / n, (x - self.x) / n
        return [self.move(dy, dx) for _ in range(n)]

    def error_um(self, place: Place) -> float:
        return max(abs(place.x_um - (self.x - self.x0) * UM), abs(place.y_um - (self.y - self.y0) * UM))


def test_a_field_is_followed_and_its_course_kept():
    hand = Hand()
    assert hand.see().place == Place(0, 0.0, 0.0, 0.0)
    for dy, dx in ((30, 40), (0.5, 0.25), (-80, 55), (10, -90), (70, -5)):
        view = hand.move(dy, dx)
        assert view.state == "tracking"
        assert hand.error_um(view.place) < 0.3
        assert view.step_um == pytest.approx((dx * UM, dy * UM), abs=0.3)
        assert view.speed_um_s == pytest.approx(math.hypot(dx, dy) * UM * 10, abs=4)
    assert [course[0] for course in hand.tracker.course_um] == [0] * 5  # the small step is no new place
    assert hand.tracker.reduced.shape == (256, 256)


def test_standard_errors_are_honest():
    rng = np.random.default_rng(3)
    hand, scores = Hand(Camera(n_dirt=10, gradient=0.3)), []
    hand.see()
    for k in range(60):
        if k % 5 == 0:
            goal = rng.uniform(MIDDLE - 500, MIDDLE + 500, 2)
        step = np.clip(goal - (hand.y, hand.x), -70, 70) + rng.normal(0, 3, 2)
        view = hand.move(*step)
        assert view.state == "tracking"
        assert hand.error_um(view.place) < 1.0
        scores.append(hand.error_um(view.place) / view.place.se_um)
    assert np.mean(np.array(scores) < 2) > 0.85


@pytest.mark.parametrize(
    "matrix", [(0.0, -1.0, 1.0, 0.0), (-1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 1.0, 0.0), (0.866, -0.5, 0.5, 0.866)]
)
def test_positions_are_in_the_axes_of_the_stage(matrix: tuple[float, float, float, float]) -> None:
    orientation = Orientation(matrix)
    hand = Hand(tracker=Tracker((256, 256), UM, orientation))
    hand.see()
    place = hand.move(20, 50).place
    assert (place.x_um, place.y_um) == pytest.approx(orientation.to_stage_um(np.array([50, 20]), UM).tolist(), abs=0.3)
    # what is known in the stage's axes is found again in them
    other = Tracker((256, 256), UM, orientation)
    other.add_known(hand.camera.frame(hand.y, hand.x, 90), place)
    found = other.see(hand.camera.frame(hand.y, hand.x, 91), 0.0).place
    assert (found.x_um, found.y_um) == pytest.approx((place.x_um, place.y_um), abs=0.3)


@pytest.mark.parametrize(
    ("shape", "dtype", "full_scale"),
    [((512, 512), "uint8", 200.0), ((512, 2048), "uint16", 3500.0), ((750, 1000), "uint16", 60_000.0)],
)
def test_every_size_and_depth_of_frames(shape: tuple[int, int], dtype: str, full_scale: float) -> None:
    hand = Hand(Camera(shape_yx=shape, dtype=dtype, full_scale=full_scale))
    hand.y0 = hand.y = hand.x0 = hand.x = 400.0
    hand.see()
    for dy, dx in ((50, 40), (-30.5, 80), (20, -100)):
        view = hand.move(dy, dx)
        assert view.state == "tracking"
        assert hand.error_um(view.place) < 0.5
    with pytest.raises(ValueError, match="tracker follows frames of"):
        hand.tracker.see(np.zeros((8, 8), np.uint16), 0.0)


# -- a position that is not known is not stated ----------------------------------------------------------------------


def test_a_jump_is_too_fast_then_lost_and_the_way_back_is_recognised():
    hand = Hand()
    hand.see()
    hand.go(MIDDLE + 60, MIDDLE + 200)
    hand.y, hand.x = 200.0, 300.0
    views = [hand.move(0, 70) for _ in range(4)]
    assert [view.state for view in views] == ["too_fast", "too_fast", "lost", "lost"]
    assert all(view.place is None for view in views)
    assert "Move back over a place that was seen" in views[-1].remark
    assert hand.tracker.capture() is None
    hand.y, hand.x = MIDDLE + 40.0, MIDDLE + 150.0
    view = hand.see()
    assert view.state == "tracking"
    assert view.remark == ""
    assert hand.error_um(view.place) < 0.5


def test_a_known_place_is_recognised_among_many_within_a_few_frames():
    hand = Hand()
    hand.see()
    for k in range(8):
        hand.go(MIDDLE - 600 + 150 * k, MIDDLE - 600 if k % 2 else MIDDLE + 600, stride=100)
    n_keys = len(hand.tracker._keys)
    assert n_keys > 48  # more than are looked through with one frame
    hand.y, hand.x = 10.0, 10.0
    assert [hand.see().state for _ in range(3)][-1] == "lost"
    hand.y, hand.x = MIDDLE - 520.0, MIDDLE + 333.0
    views = [hand.see() for _ in range(2 + n_keys // 48)]
    assert views[-1].state == "tracking"
    assert hand.error_um(views[-1].place) < 1.0


def test_after_an_interruption_nothing_is_known_until_it_is_recognised():
    hand = Hand()
    hand.see()
    hand.move(40, 30)
    hand.tracker.interrupted()
    assert (hand.tracker.view.state, hand.tracker.view.place) == ("lost", None)
    assert hand.tracker.capture() is None
    hand.y, hand.x = 100.0, 100.0
    assert hand.see().state == "lost"
    hand.y, hand.x = MIDDLE + 20.0, MIDDLE - 20.0
    view = hand.see()
    assert view.state == "tracking"
    assert hand.error_um(view.place) < 0.5


def test_a_new_island_has_its_own_origin_and_the_old_one_is_recognised_after_a_loss():
    hand = Hand()
    hand.see()
    hand.y, hand.x = 300.0, 300.0
    for _ in range(3):
        hand.see()
    assert hand.tracker.new_island() == 1
    view = hand.see()
    assert view.place == Place(1, 0.0, 0.0, 0.0)
    view = hand.move(30, -20)
    assert (view.island, view.place.island) == (1, 1)
    assert (view.place.x_um, view.place.y_um) == pytest.approx((-10.0, 15.0), abs=0.2)
    hand.y, hand.x = MIDDLE + 10.0, MIDDLE
    views = [hand.see() for _ in range(3)]
    assert views[-1].state == "tracking"
    assert views[-1].place.island == 0
    assert hand.error_um(views[-1].place) < 0.3


def test_fields_of_an_earlier_session_are_found_again():
    hand = Hand(Camera(gradient=0.9))
    hand.tracker.add_known(Camera(glass=True, gradient=0.9).frame(0, 0, 76), Place(2, 0.0, 0.0, 0.4))
    assert len(hand.tracker._keys) == 0  # nothing to know bare glass by
    hand.tracker.add_known(hand.camera.frame(MIDDLE + 100, MIDDLE, 77), Place(3, 1000.0, 2000.0, 0.4))
    hand.y, hand.x = 200.0, 200.0
    assert hand.see().state == "lost"
    hand.y, hand.x = MIDDLE + 60.0, MIDDLE + 30.0
    views = [hand.see() for _ in range(2)]
    assert views[-1].place.island == 3
    assert (views[-1].place.x_um, views[-1].place.y_um) == pytest.approx((1015.0, 1980.0), abs=0.3)
    assert hand.tracker.new_island() == 4


@pytest.mark.parametrize("degrees", [0.0, 1.0, -2.0])
def test_a_specimen_that_lies_turned_is_not_measured_against_its_old_positions(degrees: float) -> None:
    hand = Hand()
    hand.tracker.add_known(hand.camera.frame(MIDDLE, MIDDLE, 77), Place(0, 0.0, 0.0, 0.0))
    part = ndimage.rotate(texture()[MIDDLE - 100 : MIDDLE + 356, MIDDLE - 100 : MIDDLE + 356], degrees, reshape=False)
    rng = np.random.default_rng(1)
    for k in range(4):
        seen = part[90 + k : 346 + k, 110:366] * 40_000 + rng.normal(0, 400, (256, 256))
        view = hand.tracker.see(seen.astype(np.uint16), k / 10)
    if degrees:
        assert (view.state, view.place) == ("lost", None)
        assert "lies turned by" in view.remark
        assert float(view.remark.split()[5]) == pytest.approx(abs(degrees), abs=0.3)
    else:
        assert view.state == "tracking"
        assert (view.place.x_um, view.place.y_um) == pytest.approx((5.0, -3.5), abs=0.3)


def test_bare_glass_is_no_structure_and_dirt_on_it_is_no_specimen_at_rest():
    hand = Hand(Camera(n_dirt=30, glass=True))
    for _ in range(3):
        view = hand.move(10, 20)
        assert (view.state, view.place) == ("no_structure", None)
    assert "bare glass" in view.remark
    # onto the specimen, where the island begins, and back
    glass, tissue = hand.camera, Camera(n_dirt=30)
    hand.camera, hand.y0, hand.x0 = tissue, hand.y, hand.x
    assert hand.see().place == Place(0, 0.0, 0.0, 0.0)
    for n_moves in (2, 12):  # before the dirt is known, and after
        for _ in range(n_moves):
            view = hand.move(25, -15)
            assert view.place is None or hand.error_um(view.place) < 0.5
        hand.camera = glass
        assert [hand.see().place for _ in range(4)] == [None] * 4
        hand.camera = tissue
        views = [hand.see() for _ in range(2)]
        assert hand.error_um(views[-1].place) < 0.5


def test_dirt_that_outshines_the_tissue_does_not_hold_the_field_in_place():
    """Behind specks, a specimen of a tenth of the contrast: the pictures correlate by 0.9 wherever the field goes."""
    hand = Hand(Camera(n_dirt=30, contrast=0.1, noise=0.001))
    hand.see()
    views = []
    for dy, dx in [(3, 25)] * 12 + [(-3, -25)] * 12:
        views.append(hand.move(dy, dx))
        assert views[-1].place is None or hand.error_um(views[-1].place) < 0.5
    assert views[-1].state == "tracking"  # recognised by the specimen, not by the dirt


def test_no_light_is_said_and_the_place_known_again_afterwards():
    hand = Hand(Camera(n_dirt=10))
    hand.see()
    for _ in range(10):
        hand.move(30, 10)  # until the dirt is known: its shadow must not be taken out of a dark picture
    dark = np.random.default_rng(0)
    for k in range(3):
        view = hand.tracker.see(dark.poisson(300, (256, 256)).astype(np.uint16), 2 + k / 10)
        assert (view.state, view.place) == ("no_structure", None)
        assert "no light" in view.remark
    views = [hand.see() for _ in range(2)]
    assert hand.error_um(views[-1].place) < 0.5


def test_a_camera_that_repeats_its_picture_has_no_position():
    hand = Hand()
    hand.see()
    frame = hand.camera.frame(hand.y, hand.x, 50)
    assert hand.tracker.see(frame, 1.0).state == "tracking"
    view = hand.tracker.see(frame.copy(), 1.1)
    assert (view.state, view.place) == ("lost", None)
    assert "same picture" in view.remark
    assert hand.see().state == "tracking"


def test_a_repeating_specimen_is_never_at_a_known_place_once_it_moves():
    tracker = Tracker((256, 256), UM)
    y, x = np.mgrid[:256, :256]
    for k in range(8):
        wave = 30_000 + 8000 * np.sin(2 * np.pi * (x + 5 * k) / 23) * np.sin(2 * np.pi * y / 29)
        noisy = wave + np.random.default_rng(k).normal(0, 200, wave.shape)
        view = tracker.see(noisy.astype(np.uint16), k / 10)
        assert k == 0 or view.place is None
    assert view.state == "no_structure"
    assert "repeats itself" in view.remark


def _patterned(y: float, x: float, seed: int) -> np.ndarray:
    """Return a field of a pattern that goes on, with a specimen of less contrast over it."""
    rows, columns = np.mgrid[:256, :256]
    wave = np.sin(2 * np.pi * (rows + y) / 41) * np.sin(2 * np.pi * (columns + x) / 37)
    return (Camera(contrast=0.3).frame(y, x, seed) * (1.0 + 0.2 * wave)).clip(0, 65535).astype(np.uint16)


def test_a_field_of_a_pattern_that_goes_on_is_not_taken_for_a_known_one():
    tracker = Tracker((256, 256), UM)
    assert tracker.see(_patterned(1000.0, 1000.0, 0), 0.0).state == "tracking"
    for k in range(1, 9):  # 8 periods away, and on; nothing there was seen before
        view = tracker.see(_patterned(1000.0 + 8 * 41, 1000.0 + 8 * 37 + 3 * k, k), k / 10)
        assert view.place is None


@pytest.mark.parametrize("ratio", [2.0, 0.5])
def test_another_objective_is_said_and_no_position_is_stated(ratio: float) -> None:
    hand = Hand()
    hand.see()
    hand.move(30, 30)
    side = round(256 * ratio)
    top, left = (round(at + 128 - side / 2) for at in (hand.y, hand.x))
    seen = ndimage.zoom(texture()[top : top + side, left : left + side], 256 / side, order=1) * 40_000
    rng = np.random.default_rng(1)
    views = [hand.tracker.see((seen + rng.normal(0, 400, seen.shape)).astype(np.uint16), 1 + k) for k in range(8)]
    assert all(view.place is None for view in views)
    assert views[-1].state == "lost"
    assert f"px are {ratio:g} times as large" in views[-1].remark
    # a new island would have the wrong scale
    hand.tracker.new_island()
    assert hand.tracker.see((seen + rng.normal(0, 400, seen.shape)).astype(np.uint16), 20.0).place is None
    assert hand.see().place is None or hand.tracker.view.place.island == 0


# -- captured fields, key frames, memory -----------------------------------------------------------------------------


def test_positions_are_stated_against_captured_fields_and_a_capture_can_be_undone():
    hand = Hand()
    hand.see()
    hand.go(MIDDLE, MIDDLE + 400)
    before = hand.tracker.view.place
    captured = hand.tracker.capture()
    assert captured == before
    near = hand.see().place
    assert 0 < near.se_um < captured.se_um
    hand.tracker.undo_capture()
    again = hand.see()
    assert again.state == "tracking"
    assert again.place.se_um > near.se_um
    hand.tracker.undo_capture()  # nothing is left to undo
    assert hand.see().state == "tracking"


def test_a_loop_that_closes_spreads_its_error():
    """Steps that are each too long by 0.5 px: the way round adds up to an error that the closed loop takes back."""
    keys = KeyFrames((256, 256), 100)
    true = [np.array([100.0 * math.sin(a), 100.0 * math.cos(a)]) for a in np.linspace(0, 2 * math.pi, 13)[:-1]]
    true = [place - true[0] for place in true]
    one = picture(0, 0)
    frames = [keys.add(one, 0, np.zeros(2), 0.0, captured=False)]
    for before, here in itertools.pairwise(true):
        offset = here - before + 0.5
        variance = frames[-1].variance + 0.01
        frames.append(keys.add(one, 0, frames[-1].position + offset, variance, captured=False))
        keys.connect(frames[-2], frames[-1], offset, 0.01)
    open_error = max(abs(frame.position - place).max() for frame, place in zip(frames, true, strict=True))
    assert open_error == pytest.approx(5.5)
    keys.connect(frames[0], frames[-1], true[-1], 0.01)
    for _ in range(20):
        keys.relax(frames[-1])
    error = max(abs(frame.position - place).max() for frame, place in zip(frames, true, strict=True))
    assert error < 0.5
    assert frames[0].position.tolist() == [0.0, 0.0]
    assert frames[-1].variance == pytest.approx(0.01)


def test_drift_does_not_grow_with_the_way_travelled():
    hand = Hand()
    hand.see()
    corners = [(MIDDLE + 300, MIDDLE), (MIDDLE + 300, MIDDLE + 300), (MIDDLE, MIDDLE + 300), (MIDDLE, MIDDLE)]
    rounds = []
    for _ in range(3):
        views = [view for corner in corners for view in hand.go(*corner, stride=75)]
        assert all(view.state == "tracking" for view in views)
        rounds.append(views[-1].place)
        assert hand.error_um(views[-1].place) < 0.3
    assert rounds[2].se_um < 1.5 * rounds[0].se_um


def test_memory_is_bounded():
    hand = Hand(max_key_frames=6, max_course=10)
    hand.see()
    hand.tracker.capture()
    for _ in range(3):
        hand.go(MIDDLE, MIDDLE + 700)
        hand.go(MIDDLE, MIDDLE)
    assert len(hand.tracker._keys) == 6
    assert sum(key.captured for key in hand.tracker._keys) == 1  # a captured field is the last to go
    assert len(hand.tracker.course_um) <= 10
    assert hand.tracker.view.state == "tracking"
