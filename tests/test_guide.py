"""The guide of a section by hand: an outline from a course, the way to the drawn fields, the axes of a hand."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.by_hand import Guide
from hcc_scope.by_hand.hand_axes import HandAxes
from hcc_scope.errors import PlanError
from hcc_scope.orientation import Orientation
from hcc_scope.plans import RandomFields
from hcc_scope.plans.drawn_sample import TOLERANCE, DrawnSample, draw_sample
from hcc_scope.plans.driven_outline import corner_outline, driven_outline
from hcc_scope.plans.geometry import points_inside
from hcc_scope.plans.outline import area_um2, check_outline
from hcc_scope.tracking import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SHAPE_YX, UM_PER_PX = (1024, 2048), 0.5
FIELD_UM = (1024.0, 512.0)
CORNERS = ((0.0, 0.0), (8000.0, 0.0), (8000.0, 6000.0), (0.0, 6000.0))


def ellipse(turns: float, n: int = 300) -> NDArray[np.float64]:
    t = np.linspace(0, 2 * np.pi * turns, n)
    return np.stack([4000 * np.cos(t), 3000 * np.sin(t)], axis=1)


def wobbly(course: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return a course as a hand drives it: tremor, and slow deviations of 150 um."""
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(0, 1, course.shape), axis=0)
    slow = 150 * slow / np.abs(slow).max()
    return course + slow + rng.normal(0, 15, course.shape)


def overlap(points: Sequence[tuple[float, float]], truth: NDArray[np.float64]) -> float:
    x, y = np.meshgrid(np.linspace(-6000, 6000, 80), np.linspace(-6000, 6000, 80))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    a, b = points_inside(places, np.array(points)), points_inside(places, truth)
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(
    ("turns", "gap", "bridged"),
    [
        (1.0, 0, False),
        (0.97, 0, False),
        (1.1, 0, False),
        (2.05, 0, False),  # twice round: the course crosses itself all the time
        (1.0, 20, False),
        (0.8, 0, True),
        (1.0, 60, True),
    ],
)
def test_an_outline_comes_from_a_course_that_does_not_close_and_has_gaps(turns: float, gap: int, bridged: bool):
    course = wobbly(ellipse(turns), 1)
    found = driven_outline([course[:100].tolist(), course[100 + gap :].tolist()])
    check_outline(found.points_um)
    assert len(found.points_um) < 80  # few enough to be mended by hand
    assert overlap(found.points_um, ellipse(1)) > (0.85 if bridged else 0.93)
    assert bool(found.remark) == bridged


def test_ways_beyond_the_start_and_through_the_middle_change_nothing():
    course = ellipse(1)
    tail = np.linspace(course[-1], course[-1] + (2500, 100), 60)
    through = np.linspace((-3900, 0), (3900, 200), 90)
    found = driven_outline([np.concatenate([course, tail]).tolist(), through.tolist()])
    assert overlap(found.points_um, course) > 0.97
    assert area_um2(found.points_um) == pytest.approx(math.pi * 4000 * 3000, rel=0.02)


@pytest.mark.parametrize("pieces", [[], [[(0, 0)]], [[(0, 0), (10, 10)]], [[(0, 0), (500, 0), (900, 1), (0, 0)]]])
def test_a_course_that_surrounds_nothing_is_refused(pieces: list[list[tuple[float, float]]]):
    with pytest.raises(PlanError, match="the way surrounds no area"):
        driven_outline(pieces)


@given(st.lists(st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), max_size=8), max_size=4))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_any_course_gives_an_outline_that_a_plan_can_use_or_an_error(pieces: list[list[tuple[float, float]]]):
    try:
        found = driven_outline(pieces)
    except PlanError:
        return
    check_outline(found.points_um)
    assert 0 <= found.bridged_share <= 1


def test_corners_are_put_in_order_if_they_cross():
    assert corner_outline([(0, 0), (4, 0), (1, 1), (0, 4)]) == ((0, 0), (4, 0), (1, 1), (0, 4))
    crossed = corner_outline([(0, 0), (4, 4), (4, 0), (0, 4)])
    assert area_um2(crossed) == 16
    with pytest.raises(PlanError, match="at least 3 corners"):
        corner_outline([(0, 0), (1, 1)])


def test_a_sample_is_drawn_exactly_as_for_a_motorised_stage():
    sample = draw_sample(20, FIELD_UM, CORNERS, seed=5)
    plan = RandomFields(n_fields=20, seed=5, outline_um=CORNERS)
    assert [(x, y) for _, x, y, _ in plan.places(FIELD_UM)] == list(sample.fields_um)
    assert Guide(SHAPE_YX, UM_PER_PX, Orientation((0.0, 1.0, -1.0, 0.0))).field_um == (512.0, 1024.0)
    with pytest.raises(PlanError, match=r"only \d+ of 90 fields of 1024 x 512 um fit"):
        draw_sample(90, FIELD_UM, CORNERS, seed=5)
    with pytest.raises(PlanError, match="too large for a specimen"):
        draw_sample(5, FIELD_UM, [(0, 0), (1e7, 0), (0, 1e7)], seed=5)
    with pytest.raises(PlanError, match="a corner of the outline has no position"):
        draw_sample(5, FIELD_UM, [(0, 0), (math.nan, 0), (0, 1e4)], seed=5)
    with pytest.raises(PlanError, match="0 fields cannot be visited by hand"):
        draw_sample(0, FIELD_UM, CORNERS, seed=5)
    with pytest.raises(PlanError, match="edges 1 and 3 of the outline cross"):
        draw_sample(5, FIELD_UM, [(0, 0), (8000, 6000), (8000, 0), (0, 6000)], seed=5)


# -- the way to the fields -------------------------------------------------------------------------------------------


def at(x: float, y: float, *, island: int = 0, se_um: float = 0.5) -> Place:
    return Place(island, x, y, se_um)


def guide_to(*fields_um: tuple[float, float], orientation: Orientation | None = None) -> Guide:
    """Return a guide to these fields, standing at (4000, 3000)."""
    guide = Guide(SHAPE_YX, UM_PER_PX, orientation)
    guide.see(at(4000, 3000))
    guide.take(DrawnSample(fields_um, guide.field_um, CORNERS, seed=1))
    return guide


def test_the_course_of_the_screen_becomes_the_outline_and_fields_are_drawn_once():
    guide = Guide(SHAPE_YX, UM_PER_PX)
    guide.see(None)
    for x, y in wobbly(ellipse(1.02), 3):
        guide.see(at(x, y) if not -200 < y < 200 or x > 0 else None)
    assert guide.phase == "outline"
    assert len(guide.course_um) == 2
    outline = guide.close_outline()
    assert guide.phase == "mend"
    assert overlap(outline, ellipse(1)) > 0.93
    with pytest.raises(PlanError, match=r"only \d+ of 500 fields"):
        guide.draw(500, 1)
    mended = guide.draw(8, 1, CORNERS)
    assert mended.outline_um == CORNERS
    assert guide.phase == "mend"  # proposed, and not taken
    guide.take(mended)
    assert guide.phase == "targets"
    for change in (guide.close_outline, guide.drive_again, lambda: guide.draw(8, 2)):
        with pytest.raises(PlanError, match="the 8 fields of this section are drawn already"):
            change()


def test_a_way_that_was_too_short_is_driven_on():
    guide = Guide(SHAPE_YX, UM_PER_PX)
    for x, y in ellipse(1) / 3:
        guide.see(at(x, y))
    with pytest.raises(PlanError, match=r"only \d+ of 20 fields"):
        guide.draw(20, 1)
    assert (guide.phase, guide.outline_um) == ("outline", ())
    for x, y in ellipse(1):
        guide.see(at(x, y))
    assert overlap(guide.draw(20, 1).outline_um, ellipse(1)) > 0.95


def test_a_new_island_begins_the_drive_anew_and_corners_need_a_position():
    guide = Guide(SHAPE_YX, UM_PER_PX)
    guide.see(at(0, 0))
    guide.mark_corner()
    guide.see(None)
    with pytest.raises(PlanError, match="the position is not known, so no corner can be marked here"):
        guide.mark_corner()
    for x, y in CORNERS:
        guide.see(at(x, y, island=1))
        guide.mark_corner()
    assert guide.close_outline() == CORNERS
    assert guide.draw(4, 1).island == 1


def test_the_arrow_points_to_the_target_as_the_picture_shows_it():
    guide = guide_to((1600.0, 2750.0))
    guidance = guide.guidance()
    assert guidance is not None
    assert guidance.text == "left 2.3 fields, up 0.5 (2413 um)"
    assert guidance.arrow_fields == pytest.approx((-2400 / 1024, -250 / 512))
    assert guidance.distance_um == pytest.approx(math.hypot(2400, 250))
    # turned by a quarter: what lies at lower x lies up in the picture, which is 2048 px wide
    turned = guide_to((1600.0, 2750.0), orientation=Orientation((0.0, 1.0, -1.0, 0.0))).guidance()
    assert turned is not None
    assert turned.arrow_fields == pytest.approx((250 / 1024, -2400 / 512))
    mirrored = guide_to((1600.0, 3000.0), orientation=Orientation((-1.0, 0.0, 0.0, 1.0))).guidance()
    assert mirrored is not None
    assert mirrored.text == "right 2.3 fields (2400 um)"


def test_the_nearest_open_field_is_the_target_and_stays_it():
    guide = guide_to((1000.0, 1000.0), (4500.0, 3300.0), (6000.0, 4000.0))
    assert guide.target == 1
    guide.see(at(1100, 1200))
    assert guide.target == 1  # only a visit changes it
    guide.see(at(4500 + 0.8 * TOLERANCE * 1024, 3300 - 0.8 * TOLERANCE * 512))
    guidance = guide.guidance()
    assert guidance is not None
    assert (guidance.within, guidance.text) == (True, "here: hold still")
    guide.reached(1, 0)
    assert guide.target == 2
    guide.skipped(2, "fold")
    assert guide.target == 0
    guidance = guide.guidance()
    assert guidance is not None
    assert (guidance.n_drawn, guidance.n_reached, guidance.n_skipped) == (3, 1, 1)
    guide.undone(0)
    assert guide.target == 1
    guide.reached(1, 1)
    guide.reached(0, 2)
    assert (guide.phase, guide.guidance()) == ("done", None)


def test_a_skipped_field_is_captured_on_request_alone_and_skipped_again_by_an_undo():
    guide = guide_to((1000.0, 1000.0), (4500.0, 3300.0))
    guide.skipped(1, "fold")
    there = at(4500, 3300)
    assert (guide.drawn_at(there), guide.drawn_at(there, asked=True)) == (None, 1)
    guide.reached(1, 0)
    assert guide.sample is not None
    assert (guide.sample.reached, guide.sample.skipped, guide.sample.open_fields) == ({1: 0}, {}, (0,))
    guide.undone(0)
    assert (guide.sample.reached, guide.sample.skipped, guide.sample.open_fields) == ({}, {1: "fold"}, (0,))
    assert guide.target == 0


def test_a_sample_of_an_earlier_day_is_continued_from_where_the_field_is_found_again():
    guide = Guide(SHAPE_YX, UM_PER_PX)
    fields_um = ((1000.0, 1000.0), (4500.0, 3300.0), (6000.0, 4000.0))
    guide.take(DrawnSample(fields_um, FIELD_UM, CORNERS, seed=1, reached={1: 0}))
    guide.see(at(6000, 3900, island=1))
    assert guide.target == 0  # where the field is, is not known in the coordinates of the draw
    guide.see(at(5500, 3900))
    assert guide.target == 2
    guide.see(at(1500, 1100))
    assert guide.target == 2


def test_any_open_field_within_the_tolerance_is_reached_also_beside_a_captured_one():
    guide = guide_to((1000.0, 1000.0), (2030.0, 1000.0), (6000.0, 4000.0))
    assert guide.drawn_at(at(1000 + 0.19 * 1024, 1000)) == 0
    assert guide.drawn_at(at(1000 + 0.21 * 1024, 1000)) is None
    assert guide.drawn_at(at(1000, 1000 + 0.21 * 512)) is None
    guide.reached(0, 0)
    assert guide.drawn_at(at(1000, 1000)) is None  # visited already
    assert guide.drawn_at(at(1830, 1000)) == 1  # overlaps the captured one by a fifth
    assert guide.drawn_at(None) is None
    assert guide.drawn_at(at(2030, 1000, island=1)) is None


@pytest.mark.parametrize(
    ("place", "word"),
    [
        (None, "position not known: go back the way you came"),
        (at(0, 0, island=2), "the drawn fields lie on island 0, and this is island 2"),
        (at(0, 0, se_um=60), "position too vague: go back to a captured field"),
    ],
)
def test_without_a_position_there_is_a_word_and_no_arrow(place: Place | None, word: str):
    guide = guide_to((1000.0, 1000.0))
    guide.see(place)
    guidance = guide.guidance()
    assert guidance is not None
    assert (guidance.text, guidance.arrow_fields, guidance.distance_um, guidance.within) == (word, None, None, False)


def test_a_sample_refuses_what_makes_no_sense():
    sample = draw_sample(3, FIELD_UM, CORNERS, seed=1).with_reached(1, 0)
    with pytest.raises(ValueError, match="drawn field 1 was reached by frame 0"):
        sample.with_skipped(1, "fold")
    with pytest.raises(ValueError, match="there is no drawn field 3"):
        sample.with_reached(3, 1)
    with pytest.raises(ValueError, match="'ugly' is no reason"):
        sample.with_skipped(0, "ugly")  # type: ignore[arg-type]
    assert sample.with_skipped(0, "fold").with_reached(0, 5).skipped == {}
    assert sample.with_undone(0).open_fields == (0, 1, 2)


CAMERAS = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


@pytest.mark.parametrize("matrix", CAMERAS)
def test_text_and_arrow_agree_for_every_camera(matrix: tuple[float, float, float, float]):
    orientation = Orientation(matrix)
    guide = guide_to((1600.0, 3700.0), orientation=orientation)
    guidance = guide.guidance()
    assert guidance is not None
    assert guidance.arrow_fields is not None
    right, down = guidance.arrow_fields
    # that many px from the middle of the picture lies the target
    offset_px = np.array((right * SHAPE_YX[1], down * SHAPE_YX[0]))
    assert orientation.to_stage_um(offset_px, UM_PER_PX) == pytest.approx((-2400.0, 700.0))
    across, along = guidance.text.split(" (")[0].split(", ")
    assert across == f"{'right' if right > 0 else 'left'} {abs(right):.1f} fields"
    assert along == f"{'down' if down > 0 else 'up'} {abs(down):.1f}"
    assert guidance.text.endswith(" (2500 um)")
    # a field is twice as wide as high: the arrow's direction is that of the picture, not of its sides
    assert guidance.arrow_deg == pytest.approx(math.degrees(math.atan2(offset_px[1], offset_px[0])))


def test_what_is_shown_as_reached_is_what_a_capture_counts_as():
    guide = guide_to((1000.0, 1000.0))
    edge_um = TOLERANCE * 1024
    shown = []
    for off_um in (1.1, 0.97, 0.99, 0.9, 0.8, 0.9, 0.97, 0.99, 1.01, 0.99, 0.97):
        guide.see(at(1000 + off_um * edge_um, 1000))
        guidance = guide.guidance()
        assert guidance is not None
        shown.append(guidance.within)
        assert guidance.within == (guide.drawn_at(at(1000 + off_um * edge_um, 1000)) == 0)
    assert shown == [False] + [True] * 7 + [False] + [True] * 2


def test_the_target_stays_while_the_hand_passes_others_and_the_position_is_lost():
    guide = guide_to((3000.0, 3000.0), (6000.0, 3000.0), (7000.0, 3000.0))
    assert guide.target == 0
    for place in (at(5900, 3000), None, at(6900, 2700), at(8000, 3000, island=1), None, at(6100, 2700)):
        guide.see(place)
        assert guide.target == 0
    guide.see(None)
    guide.skipped(0, "not reachable")
    assert guide.target == 1  # the nearest to where the field was last
    for k in (1, 2):
        guide.skipped(k, "not reachable")
    assert (guide.phase, guide.guidance(), guide.drawn_at(at(7000, 3000))) == ("done", None, None)


# -- the hand --------------------------------------------------------------------------------------------------------

HANDS: dict[str, tuple[int, int, int, int]] = {
    "as shown": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "turned by 180 degrees": (-1, 0, 0, -1),
    "swapped": (0, 1, 1, 0),
    "turned by 90 degrees": (0, -1, 1, 0),
    "turned by 270 degrees": (0, 1, -1, 0),
    "swapped and turned": (0, -1, -1, 0),
}


def follow(guide: Guide, hand: tuple[int, int, int, int], seed: int, strokes: int = 400) -> list[tuple[float, float]]:
    """Follow the arrows in strokes, with a hand's errors; return after each one where an arrow (1, 2) is shown."""
    rng = np.random.default_rng(seed)
    here = np.array([4000.0, 3000.0])
    guide.see(at(*here))
    shown, seq = [], 0
    for _ in range(strokes):
        guidance = guide.guidance()
        if guidance is None:
            break
        assert guidance.arrow_fields is not None
        right, down = guidance.arrow_fields[0] * 1024, guidance.arrow_fields[1] * 512
        moved = np.array([hand[0] * right + hand[1] * down, hand[2] * right + hand[3] * down])
        turn, reach = rng.normal(0, 0.25), rng.uniform(0.5, 1.05)
        moved = moved * min(1.0, 2000 / np.hypot(*moved))  # as far as a hand goes in one stroke
        if rng.random() < 0.1:  # a stroke for a reason of its own
            moved, turn = rng.normal(0, 900, 2), 0.0
        moved = reach * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ moved
        for share in (0.0, 0.1, 0.5, 0.9, 1.0):
            guide.see(at(*(here + share * moved)))
        here = here + moved
        for tremor in rng.normal(0, 3, (6, 2)):
            guide.see(at(*(here + tremor)))
        shown.append(guide._axes.shown((1.0, 2.0)))
        if (k := guide.drawn_at(at(*here))) is not None:
            guide.reached(k, seq)
            seq += 1
    return shown


@pytest.mark.parametrize("name", HANDS)
def test_a_hand_is_guided_in_its_own_axes(name: str):
    a, b, c, d = HANDS[name]
    for seed in range(3):
        guide = Guide(SHAPE_YX, UM_PER_PX)
        guide.see(at(4000, 3000))
        guide.take(guide.draw(16, seed, CORNERS))
        shown = follow(guide, HANDS[name], seed)
        assert guide.phase == "done"
        assert guide.in_hand_axes == (name != "as shown")
        x, y = shown[-1]
        assert (a * x + b * y, c * x + d * y) == (1, 2)  # a hand that follows it goes to the target
        ways = [way for way, _ in itertools.groupby(shown)]
        assert len(set(ways)) == len(ways) <= 3  # never back and forth
        assert shown.index(shown[-1]) < 45


def test_a_hand_that_follows_never_has_its_arrow_turned():
    for seed in range(12):
        guide = Guide(SHAPE_YX, UM_PER_PX)
        guide.see(at(4000, 3000))
        guide.take(guide.draw(16, seed, CORNERS))
        follow(guide, HANDS["as shown"], seed + 1000)
        assert not guide.in_hand_axes


def move(guide: Guide, *way_um: tuple[float, float], fps: float = 10.0, rest_s: float = 0.4) -> list[str]:
    """Move from place to place in strokes of half a second, with a rest at each; return the texts that were shown."""
    assert guide._place is not None
    here, texts, n = np.array((guide._place.x_um, guide._place.y_um)), [], 0
    for there in way_um:
        for share in (*np.linspace(0, 1, round(0.5 * fps)), *np.ones(round(rest_s * fps))):
            n += 1
            x, y = here + share * (np.array(there) - here)
            guide.see(at(x, y), 10.0 * len(texts) + n / fps)
            guidance = guide.guidance()
            assert guidance is not None
            texts.append(guidance.text)
        here = np.array(there)
    return texts


def test_a_move_that_leads_away_is_called_so_at_once_and_an_overshoot_is_not():
    guide = guide_to((1000.0, 3000.0))
    texts = move(guide, (4000.0, 3000.0), (4600.0, 3000.0))
    assert not any("other way" in text for text in texts[:10])
    assert texts[-1] == "the other way: left 3.5 fields (3600 um)"
    assert not guide.in_hand_axes
    assert move(guide, (4000.0, 3000.0))[-1] == "left 2.9 fields (3000 um)"
    texts = move(guide, (1400.0, 3000.0), (500.0, 2950.0), (1300.0, 3000.0), (1000.0, 3000.0))
    assert not any("other way" in text for text in texts)
    assert texts[-1] == "here: hold still"


@pytest.mark.parametrize("fps", [10.0, 26.0])
def test_strokes_that_leave_the_tissue_are_learned_from_and_the_way_back_is_not(fps: float):
    """A hand that goes the other way loses the position after a third of a field, each time, and comes back to it."""
    guide = guide_to((1000.0, 2000.0))
    n, learned_after = 0, 0
    for stroke in range(1, 9):
        for side in range(round(fps)):  # half a second at rest, half a second to the right and downwards
            share = max(0.0, 2 * side / fps - 1)
            n += 1
            guide.see(at(4000 + 900 * share, 3000 + 300 * share) if share < 0.4 else None, n / fps)
        if guide.in_hand_axes and not learned_after:
            learned_after = stroke
        for share in np.linspace(0.4, 0.0, round(0.5 * fps)):
            n += 1
            guide.see(at(4000 + 900 * share, 3000 + 300 * share), n / fps)
    assert 4 <= learned_after <= 8
    assert guide._axes.shown((-3000.0, -1000.0)) == (3000.0, 1000.0)


def test_looking_at_something_on_the_way_turns_no_arrow_and_a_wrong_turn_is_taken_back():
    rng = np.random.default_rng(1)

    def follow_arrows(axes: HandAxes, n: int) -> int:
        """Follow `n` arrows as they are shown; return how often they changed."""
        changes = 0
        for _ in range(n):
            angle, turn = rng.uniform(0, 2 * math.pi), rng.normal(0, 0.2)
            x, y = axes.shown((math.cos(angle), math.sin(angle)))
            way = math.atan2(y, x) + turn
            changes += axes.stroke((x, y), (math.cos(way), math.sin(way)))
        return changes

    axes = HandAxes()
    for n in (5, 8):  # strokes one after the other to something on the other side, before and after it follows
        for _ in range(n):
            assert not axes.stroke((1.0, 0.5), (-1.0, -0.45 + rng.normal(0, 0.1)))
        assert follow_arrows(axes, 12) == 0
    misled = HandAxes()
    for _ in range(20):
        misled.stroke((1.0, 0.5), (-1.0, -0.5))
    assert misled.learned
    assert follow_arrows(misled, 60) % 2 == 1
    assert not misled.learned


def test_a_knob_moves_one_axis_at_a_time():
    rng = np.random.default_rng(2)
    for sign in (1, -1):
        axes = HandAxes()
        for i in range(30):
            to_target = rng.uniform(0.4, 1.0, 2) * rng.choice((-1, 1), 2)
            arrow = axes.shown((float(to_target[0]), float(to_target[1])))
            axes.stroke(arrow, (sign * arrow[0], 0.0) if i % 2 else (0.0, sign * arrow[1]))
        assert axes.shown((1.0, 2.0)) == (sign, 2.0 * sign)


def test_strokes_along_one_axis_settle_that_axis_and_strokes_at_random_none():
    axes = HandAxes()
    changes = [axes.stroke((1000.0, 0.0), (-900.0, 20.0)) for _ in range(40)]
    assert changes.count(True) == 1
    assert axes.shown((5.0, 7.0))[0] == -5.0
    changes = [axes.stroke((0.0, 1000.0), (0.0, 800.0)) for _ in range(40)]
    assert changes.count(True) <= 1
    assert axes.shown((5.0, 7.0)) == (-5.0, 7.0)
    for seed in range(25):
        rng, stray = np.random.default_rng(seed), HandAxes()
        for _ in range(40):
            (arrow_x, arrow_y), (x, y) = rng.normal(size=(2, 2)).tolist()
            assert not stray.stroke((arrow_x, arrow_y), (x, y))
