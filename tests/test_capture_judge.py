"""A frame of a hand-moved stand is captured when every rule holds; the word names the one that does not."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from scipy import ndimage

from hcc_scope.by_hand import EXPLANATIONS, CaptureJudge, CaptureRules
from hcc_scope.orientation import Orientation
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.tiling import TileGrid
from hcc_scope.tracking import Place, TrackView
from hcc_scope.types import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE_YX = (512, 512)
UM_PER_PX = 0.325
SIDE_UM = 512 * UM_PER_PX
RULES = CaptureRules(still_ms=200.0)
STILL = TrackView("tracking", Place(0, 0.0, 0.0, 0.1), (0.0, 0.0), 0.0, 0.95)
DT_S = 0.125


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return Specimen(71, "Q1", "S1", "low", day=1, cache_mb=16)


@pytest.fixture(scope="module")
def by_focus(specimen: Specimen) -> dict[float, NDArray[np.uint16]]:
    """One field of tissue at several heights."""
    return {z_um: exposed(specimen, 0.0, 0.0, z_um) for z_um in (0.0, 1.0, 3.0, 8.0)}


@pytest.fixture(scope="module")
def glass(specimen: Specimen) -> NDArray[np.uint16]:
    x_um, y_um = 1.5 * specimen.outline_um[0]
    return exposed(specimen, float(x_um), float(y_um))


def exposed(
    specimen: Specimen, x_um: float, y_um: float, z_um: float = 0.0, *, exposure_ms: float = 10.0
) -> NDArray[np.uint16]:
    field = specimen.render(x_um, y_um, z_um, SHAPE_YX, UM_PER_PX)
    return CameraPhysics().expose(field, exposure_ms=exposure_ms, noise_seed=1)


class Bench:
    """Shows a judge one frame after another, an eighth of a second apart."""

    def __init__(self, rules: CaptureRules = RULES, orientation: Orientation | None = None) -> None:
        self.judge = CaptureJudge(rules, TileGrid.for_frame(SHAPE_YX), UM_PER_PX, orientation)
        self.t_s = 0.0

    def see(
        self,
        pixels: NDArray[np.uint16],
        track: TrackView = STILL,
        *,
        asked: bool = False,
        at_target: bool | None = None,
        objective: str | None = None,
        stage_um: tuple[float, float, None] | None = None,
    ) -> str:
        self.t_s += DT_S
        frame = Frame(
            0, pixels, 0, datetime(2026, 1, 1, tzinfo=UTC), 10.0, "S1", objective=objective, stage_um=stage_um
        )
        return self.judge.judge(frame, track, t_s=self.t_s, asked=asked, at_target=at_target).word

    def halt(self, pixels: NDArray[np.uint16], track: TrackView = STILL, n: int = 4) -> list[str]:
        """Arrive in motion and stay for n frames; a frame that is fit is captured."""
        self.see(pixels, replace(track, speed_um_s=500.0))
        words = []
        for _ in range(n):
            words.append(self.see(pixels, track))
            if words[-1] == "":
                self.judge.captured(track.place)
        return words


def at(x_um: float, y_um: float = 0.0, island: int = 0) -> TrackView:
    return replace(STILL, place=Place(island, x_um, y_um, 0.1), island=island)


def test_a_field_is_captured_once_it_was_still_for_long_enough_and_only_once(by_focus: dict):
    assert Bench().halt(by_focus[0.0], n=5) == ["waiting", "waiting", "", "captured", "captured"]


def test_a_key_captures_a_still_field_at_once_and_a_moving_one_never(by_focus: dict):
    bench = Bench()
    assert bench.see(by_focus[0.0], replace(STILL, speed_um_s=500.0), asked=True) == "moving"
    assert bench.see(by_focus[0.0], asked=True) == ""


@pytest.mark.parametrize(
    ("track", "word"),
    [
        (TrackView("lost"), "lost"),
        (TrackView("too_fast"), "too fast"),
        (TrackView("no_structure"), "no structure"),
        (TrackView("tracking", None, (0.0, 0.0), 0.0), "lost"),
        (TrackView("tracking", STILL.place), "waiting"),
    ],
)
def test_nothing_is_captured_without_a_position_or_a_speed(by_focus: dict, track: TrackView, word: str):
    bench = Bench()
    assert [bench.see(by_focus[0.0], track, asked=True) for _ in range(5)] == [word] * 5
    assert bench.judge.judge(Frame(0, by_focus[0.0], 0, datetime.now(UTC), 1.0, "S1"), track).explanation


def test_each_reason_that_a_field_gives_has_its_word(specimen: Specimen, by_focus: dict, glass: NDArray[np.uint16]):
    assert Bench().halt(glass)[-1] == "no tissue"
    assert Bench().halt(exposed(specimen, 0.0, 0.0, exposure_ms=40.0))[-1] == "too bright"
    assert Bench().halt(exposed(specimen, 0.0, 0.0, exposure_ms=0.2))[-1] == "too dark"
    assert Bench().halt(by_focus[8.0])[-1] == "blurred"


def test_a_dark_picture_is_called_dark_whatever_the_tracker_makes_of_it(by_focus: dict):
    assert Bench().see(np.full_like(by_focus[0.0], 500), TrackView("lost")) == "too dark"


def test_sharpness_is_judged_against_the_recent_best_even_if_that_was_only_passed_by(by_focus: dict):
    assert Bench().halt(by_focus[3.0])[-2] == ""  # nothing better is known
    bench = Bench()
    bench.see(by_focus[0.0], replace(STILL, speed_um_s=200.0))
    assert bench.halt(by_focus[3.0], at(1000.0))[-1] == "blurred"
    assert bench.halt(by_focus[1.0], at(2000.0))[-2] == ""
    bench.t_s += 61.0
    assert bench.halt(by_focus[3.0], at(3000.0))[-2] == ""


def test_a_picture_that_motion_has_smeared_sets_no_best(specimen: Specimen, by_focus: dict):
    """Along a row a long smear takes more of the coarse detail than of the fine, so that it seems sharper."""
    smeared = specimen.render(0.0, 0.0, 0.0, SHAPE_YX, UM_PER_PX)
    smeared = ndimage.uniform_filter1d(smeared, 120, axis=1)
    pixels = CameraPhysics().expose(smeared, exposure_ms=10.0, noise_seed=1)
    bench = Bench()
    bench.see(pixels, replace(STILL, speed_um_s=3900.0))
    assert bench.halt(by_focus[0.0])[2] == ""


def test_another_objective_has_another_best(by_focus: dict):
    bench = Bench()
    bench.see(by_focus[0.0], objective="20X")
    words = [bench.see(by_focus[3.0], at(1000.0), objective="10X") for _ in range(3)]
    assert words[-1] == ""


def test_a_field_of_less_detail_is_kept_once_the_focus_was_turned_through_its_best(by_focus: dict):
    """At 1 um the field stands for one whose best is far below that of the fields before."""
    bench = Bench(replace(RULES, focus_min=0.95))
    bench.see(by_focus[0.0], replace(STILL, speed_um_s=200.0))
    assert bench.halt(by_focus[1.0], at(1000.0))[-1] == "blurred"
    assert [bench.see(by_focus[3.0], at(1000.0)) for _ in range(3)] == ["blurred"] * 3
    back = [bench.see(by_focus[1.0], at(1000.0)) for _ in range(3)]
    assert back[0] == "focusing"
    assert back[-1] == "blurred", "it began at its best, so no one knows that it is sharper nowhere"
    bench.halt(by_focus[3.0], at(1000.0))
    turned = [bench.see(by_focus[z_um], at(1000.0)) for z_um in (1.0, 3.0, 1.0, 1.0, 1.0)]
    assert turned[-1] == ""


def test_a_field_that_gets_sharper_is_not_captured_before_it_is_sharp(by_focus: dict):
    bench = Bench(replace(RULES, focus_min=0.01))
    words = [bench.see(by_focus[z_um]) for z_um in (3.0, 3.0, 1.0, 0.0, 0.0, 0.0)]
    assert words[2:4] == ["focusing"] * 2
    assert words[-1] == ""


def test_a_field_is_new_unless_a_captured_one_covers_too_much_of_it(by_focus: dict):
    bench = Bench()
    bench.halt(by_focus[0.0])
    free = (1 - RULES.overlap_max) * SIDE_UM
    assert bench.halt(by_focus[0.0], at(free - 1.0))[-2:] == ["already here"] * 2
    assert bench.halt(by_focus[0.0], at(0.5 * SIDE_UM, 0.6 * SIDE_UM))[2] == ""  # 0.5 x 0.4 of it
    assert bench.halt(by_focus[0.0], at(0.0, 0.0, island=1))[2] == "", "islands are not compared"


def test_overlap_is_that_of_the_pictures_however_the_camera_is_turned(by_focus: dict):
    shape_yx = (512, 1024)
    wide = np.hstack([by_focus[0.0], by_focus[0.0]])
    judge = CaptureJudge(RULES, TileGrid.for_frame(shape_yx), UM_PER_PX, Orientation((0.0, -1.0, 1.0, 0.0)))
    frame = Frame(0, wide, 0, datetime(2026, 1, 1, tzinfo=UTC), 10.0, "S1")
    judge.captured(Place(0, 0.0, 0.0, 0.1))
    assert judge.judge(frame, at(0.0, 1.2 * SIDE_UM), asked=True, t_s=1.0).word == "already here"
    assert judge.judge(frame, at(1.2 * SIDE_UM, 0.0), asked=True, t_s=1.1).word == ""


def test_an_undone_field_can_be_captured_again_after_a_move_and_not_by_itself_before(by_focus: dict):
    bench = Bench()
    assert bench.halt(by_focus[0.0])[2] == ""
    bench.judge.undone()
    assert [bench.see(by_focus[0.0]) for _ in range(5)] == ["undone"] * 5
    assert bench.see(by_focus[0.0], asked=True) == ""
    assert bench.halt(by_focus[0.0])[2] == ""


def test_a_drawn_field_is_captured_whatever_it_shows_and_nothing_off_the_target(
    by_focus: dict, glass: NDArray[np.uint16]
):
    bench = Bench()
    bench.halt(by_focus[0.0])
    for pixels in (by_focus[0.0], glass):
        bench.see(pixels, replace(STILL, speed_um_s=500.0))
        assert [bench.see(pixels, at_target=False) for _ in range(4)][-1] == "off target"
        assert bench.see(pixels, at_target=True) == ""
        bench.judge.captured(STILL.place)
        assert bench.see(pixels, at_target=True) == "captured"
    bench.see(glass, replace(STILL, speed_um_s=500.0))
    assert [bench.see(by_focus[8.0], at_target=True) for _ in range(3)][-1] == "blurred"
    assert bench.see(by_focus[0.0], at(2000.0), at_target=False, asked=True) in ("", "focusing")


def test_the_stage_of_a_motorised_stand_gives_the_place(by_focus: dict):
    bench = Bench()
    track = replace(STILL, place=None)
    assert [bench.see(by_focus[0.0], track, stage_um=(5.0, 5.0, None)) for _ in range(3)][-1] == ""


def test_the_page_explains_every_word_and_states_every_rule():
    page = (Path(__file__).resolve().parent.parent / "docs" / "by-hand.md").read_text(encoding="utf-8")
    table = page.split("## The words", 1)[1].split("## The rules", 1)[0]
    documented = {word for cell in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for word in cell.split(", ")}
    assert documented == {*EXPLANATIONS, "word"}
    rules = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    assert CaptureRules(**rules["capture"]) == CaptureRules()
    assert rules["capture"].keys() == {field.name for field in fields(CaptureRules)}


def test_every_word_is_short_and_explained():
    assert all(len(word.split()) <= 2 and text.endswith(".") for word, text in EXPLANATIONS.items())
