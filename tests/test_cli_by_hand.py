"""The command line of a section by hand."""

from __future__ import annotations

import os
import re
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.cli import by_hand
from hcc_scope.cli.acquire_options import check_options
from hcc_scope.cli.hand_display import HandScreen
from hcc_scope.cli.keys import keys
from hcc_scope.errors import PlanError, UsageError
from hcc_scope.microscope.hand_guiding import Guided, HandGuiding
from hcc_scope.microscope.hand_log import HandLog
from hcc_scope.orientation import Orientation
from hcc_scope.phantom import Specimen
from hcc_scope.run_events import RunEvents
from hcc_scope.runs.hand_section import HandRun, hand_source, start_hand_section
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.tracking import Place
from tests.commands import cli
from tests.hand_parts import PatternScene, Walk, rests_at
from tests.test_open_rig import CAMERA, options, rig_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hcc_scope.report.summary import SectionReport

BY_HAND: Mapping[str, object] = {"rig": "demo", "by_hand": True}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"plan": Path("a.yaml")}, "--by-hand and --plan exclude each other"),
        ({"n_frames": 5}, "--by-hand and --frames exclude each other"),
        ({"area_um": "10x10"}, "--by-hand and --area-um exclude each other"),
        ({"prescan": True}, "--by-hand and --prescan exclude each other"),
        ({"pause_after": 3}, "--by-hand and --pause-after exclude each other"),
        ({"by_hand": False, "pause_after": 0}, "--pause-after must be from 1 to 1,000, not 0"),
        ({"focus": "once", "n_frames": 5}, "--by-hand and --frames exclude .* Leave out --frames and --focus"),
        ({"phantom": "low"}, "no hand moves a phantom. Add --simulate-hand SEED"),
        ({"by_hand": False, "guided": True}, "--guided is for a section by hand. Add --by-hand"),
        ({"by_hand": False, "simulate_hand": 1}, "--simulate-hand is for a section by hand"),
        ({"by_hand": False, "continue_store": Path("a")}, "--continue is for a section by hand"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path, given: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        check_options(options(tmp_path, **{**BY_HAND, **given}))


def test_more_fields_than_a_hand_visits_are_refused_before_the_drive(tmp_path: Path):
    many = {**BY_HAND, "n_fields": 10_001}
    check_options(options(tmp_path, **many))
    with pytest.raises(PlanError, match=r"10001 fields cannot be visited by hand. Choose 1 to 10,000\."):
        check_options(options(tmp_path, **many, guided=True))


def test_what_fits_is_taken(tmp_path: Path):
    check_options(options(tmp_path, **BY_HAND, guided=True, n_fields=8, exposure_ms=5.0, seed=3))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Yield both ends of a terminal that is stdin: what a person types into, and what the program reads from."""
    if sys.platform == "win32":
        pytest.skip("pseudo-terminals are POSIX's")
    outside, inside = os.openpty()
    with os.fdopen(inside, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield outside, inside
    with suppress(OSError):
        os.close(outside)


def test_keys_come_one_by_one_and_the_terminal_is_as_before(terminal: tuple[int, int]):
    import termios

    outside, inside = terminal
    before = termios.tcgetattr(inside)
    with keys() as pressed:
        assert pressed() == ""
        os.write(outside, b"kU\x1b[6~\x1b[A\x1bOP\x1b[1;5Cg")  # Page Down, up, F1, Ctrl and right
        found = ""
        while len(found) < 4:
            found += pressed()
        assert found == "ku g"
    assert termios.tcgetattr(inside) == before


def test_a_program_in_the_background_leaves_the_terminal_alone(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    """Whatever it did with it would stop it."""
    import termios

    outside, inside = terminal
    before = termios.tcgetattr(inside)
    foreground = os.getpgrp() + 1
    monkeypatch.setattr(os, "tcgetpgrp", lambda _handle: foreground)
    os.write(outside, b"k\n")
    with keys() as pressed:
        assert pressed() == ""
        assert termios.tcgetattr(inside) == before
        foreground = os.getpgrp()
        while not (found := pressed()):
            pass
        assert found == "k\n"


def test_a_terminal_that_is_lost_ends_nothing(terminal: tuple[int, int]):
    with keys() as pressed:
        assert pressed() == ""
        os.close(terminal[0])
        assert pressed() == ""


def test_without_a_terminal_no_key_is_pressed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with (tmp_path / "in").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with keys() as pressed:
            assert pressed() == ""


def test_the_keys_do_what_the_buttons_do(tmp_path: Path):
    """Each key is pressed before a certain step of the walk, at rest or between two places."""
    scoring_model = load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None)
    run: HandRun | None = None
    begun = threading.Event()
    waiting: list[str] = []
    seen: dict[int, dict[str, str]] = {}

    def press(step: int, key: str) -> Callable[[], None]:
        def act() -> None:
            assert run is not None
            waiting.append(key)
            seen[step] = dict(HandScreen(run, lambda: waiting.pop() if waiting else "").rows())

        return act

    presses = {1: "a", 6: " ", 7: "x", 10: "k", 12: "u", 15: "g", 16: "a", 24: "i", 32: "x"}
    walk = Walk(
        PatternScene(2**16 - 1),
        rests_at((0.0, 0.0), (140.0, 0.0), (140.0, 140.0), n_rest=8),
        {0: lambda: begun.wait(30)} | {step: press(step, key) for step, key in presses.items()},
    )
    with open_rig("demo-by-hand", lambda _message: None) as rig:
        rig.set_properties([f"Camera,OnCameraCCD{axis}Size,512" for axis in "XY"])
        source = hand_source(
            rig.microscope,
            scoring_model,
            "m1",
            "s1",
            specimen=Specimen(5, "m1", "s1", "high"),
            scene=walk.scene,
            operator=walk,
        )
        run = start_hand_section(source, scoring_model, tmp_path)
        begun.set()
        report = run.finish()
    assert report.outcome.cause is None
    assert report.by_hand is not None
    assert (report.by_hand.kept_anyway, report.by_hand.undone, report.by_hand.islands) == ({"moving": 1}, 1, 2)
    assert (report.outcome.counts.stored, report.outcome.excluded_by_operator) == (4, (1,))
    assert seen[6]["state"].startswith("BY KEY: ")
    assert seen[7] == {"state": "CAPTURED: This field is captured: move on", "fields": "1 captured; by key"}
    assert seen[12]["fields"] == "2 captured; 1 kept all the same; by key"
    assert seen[15]["note"].startswith("the fields of this section are chosen freely")
    assert seen[24]["fields"] == "2 captured"


def test_a_section_by_a_simulated_hand_is_acquired_and_replays_bit_for_bit(tmp_path: Path):
    out = tmp_path / "out"
    done = cli(
        *("acquire", "--by-hand", "--rig", "demo-by-hand", "--simulate-hand", "1", "--phantom", "low", "--fields", "1"),
        *("--seed", "3", "--animal", "m1", "--section", "s1", "--out", out, "--engine", "torchscript", "--json"),
    )
    assert done.code == 0, done.err
    (section,) = done.json["sections"]
    assert (section["outcome"], section["counts"]["stored"]) == ("completed", 1)
    assert section["by_hand"]["positions"] == {"stage": 0, "tracked": 1, "unknown": 0}
    assert not section["interval_valid"]
    checked = cli("replay", "--check", out / "m1_s1.ome.zarr", "--json")
    assert checked.json["check"]["equal"] is True
    assert checked.json["sections"][0]["by_hand"] == section["by_hand"]


def ended_at_once(follow: Callable[..., SectionReport], run: HandRun, *shown: object) -> SectionReport:
    run.section.session.stop()
    return follow(run, *shown)


def test_a_section_that_is_ended_before_its_first_field_is_no_completed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(by_hand, "follow_hand", partial(ended_at_once, by_hand.follow_hand))
    out = tmp_path / "out"
    done = cli(
        *("acquire", "--by-hand", "--guided", "--rig", "demo-by-hand", "--simulate-hand", "1", "--phantom", "low"),
        *("--animal", "m1", "--section", "s1", "--out", out, "--engine", "torchscript", "--json"),
    )
    assert (done.code, done.json["outcome"], out.exists()) == (130, "cancelled", False)
    assert "ended early by the operator; nothing was acquired, and no store is left" in done.err


def ring(turns: float, radius_um: float = 3000.0) -> list[tuple[float, float]]:
    """Return a way from the middle to the edge of a circle and round it."""
    angles = np.linspace(0.0, 2 * np.pi * turns, round(200 * turns))
    way = [(x, 0.0) for x in np.linspace(0.0, radius_um, 40)]
    return [*way, *zip(radius_um * np.cos(angles), radius_um * np.sin(angles), strict=True)]


def driven(way: Iterable[tuple[float, float]], n_fields: int = 6) -> tuple[HandGuiding, list[str]]:
    guided = Guided(n_fields, 1, draws_itself=True)
    guiding = HandGuiding(guided, (1000, 1000), 0.325, Orientation(), HandLog(RunEvents()))
    return guiding, seen(guiding, way)


def seen(guiding: HandGuiding, way: Iterable[tuple[float, float]]) -> list[str]:
    """Return what the guiding reports on this way, a place every tenth of a second."""
    places = (Place(0, float(x), float(y), 0.2) for x, y in way)
    return [text for t, place in enumerate(places) if (text := guiding.see(place, t / 10))]


def test_the_fields_are_drawn_as_soon_as_the_hand_came_round_the_section():
    guiding, reported = driven(ring(1.02))
    assert (guiding.phase, reported) == ("targets", ["once round: 6 fields drawn"])
    assert guiding.sample is not None
    assert max(np.hypot(*np.array(guiding.sample.fields_um).T)) < 3000.0


def test_what_to_look_at_in_the_outline_is_reported_with_the_draw():
    way = ring(1.02)
    guiding, _ = driven(way[:80])
    guiding.see(None, 0.0)
    reported = seen(guiding, way[140:])
    (sentence,) = reported
    assert re.match(r"once round: 6 fields drawn\. \d+ % of the outline are straight lines where", sentence)


@pytest.mark.parametrize("way", [ring(0.9), [*ring(0.4), *ring(0.4)[::-1]]], ids=["not yet round", "there and back"])
def test_nothing_is_drawn_before(way: list[tuple[float, float]]):
    guiding, reported = driven(way)
    assert (guiding.phase, reported) == ("outline", [])


def test_more_fields_than_fit_are_reported_and_the_hand_can_go_round_more():
    guiding, reported = driven(ring(1.5), n_fields=900)
    assert guiding.phase == "outline"
    (sentence,) = reported
    assert "of 900 fields of 325 x 325 um fit into the section" in sentence


def test_a_wider_round_after_one_that_was_too_small_is_drawn_in():
    guiding, reported = driven([*ring(1.02, 700.0), *ring(1.1)], n_fields=20)
    too_small, drawn = reported
    assert "of 20 fields of 325 x 325 um fit into the section" in too_small
    assert drawn == "once round: 20 fields drawn"
    assert guiding.phase == "targets"


def test_drawing_too_early_ends_no_drive():
    """There is no map in a terminal, on which an outline could be mended."""
    guiding, _ = driven(ring(0.02))
    with pytest.raises(PlanError, match=r"of 6 fields .* fit into the section"):
        guiding.draw_fields(None)
    assert guiding.phase == "outline"
    seen(guiding, ring(1.02)[44:])
    assert guiding.phase == "targets"


def test_a_simulated_hand_is_refused_where_it_would_not_move_the_demo(tmp_path: Path):
    common = (
        "--by-hand",
        "--simulate-hand",
        "1",
        "--phantom",
        "low",
        "--engine",
        "torchscript",
        "--out",
        tmp_path / "o",
    )
    for cfg, message in (
        (CAMERA, "the simulated operator moves the DemoCamera's XY stage, and this configuration has none"),
        (
            "Device,Hub,SequenceTester,THub\nDevice,Cam,SequenceTester,TCamera\nParent,Cam,Hub\n"
            "Property,Core,Initialize,1\nProperty,Core,Camera,Cam\n",
            "the simulated operator plays before the DemoCamera alone, and this camera is a 'SequenceTester'",
        ),
    ):
        rig = rig_file(tmp_path, "pixel_size_um: 0.325", "buffer_size_mb: 16", cfg=cfg)
        done = cli("acquire", "--rig", rig, "--animal", "a", "--section", "s", *common)
        assert done.code == 10
        assert message in done.err
        assert not (tmp_path / "o").exists()
