"""A stand that is moved by hand: its window, its keys, and a section from Start to its report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from find import find
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QDialog, QLineEdit, QMainWindow, QPushButton, QToolButton, QVBoxLayout
from shell_parts import ONE_TILE, finish, name_section, notices, open_rig, rig_file, start, wait_for, wait_until_held

from hcc_scope.by_hand import EXPLANATIONS, Guidance, HandView
from hcc_scope.by_hand.words import verdict
from hcc_scope.plans.drawn_sample import DrawnSample
from hcc_scope.storage.notes import read_notes
from hcc_scope.storage.reader import open_store
from hcc_scope.tracking import Place, TrackView
from hcc_scope.types import Frame
from ui.control.paced_operator import PacedOperator
from ui.control.section_request import PlanChoice
from ui.control.section_setup import SectionSetup
from ui.control.settings import Settings
from ui.hand.arrow import ArrowSign
from ui.hand.hand_tab import HandTab
from ui.hand.readout import Readout
from ui.hand.state import FINISHING, PREPARING, SEQUENCE, count_of, failed, state_of
from ui.kit.controls import ViewButton
from ui.kit.jobs import Jobs
from ui.kit.labels import ValueLabel
from ui.kit.theme import apply_theme, colours
from ui.shell.actions import Actions
from ui.shell.hand_keys import HandKeys
from ui.shell.top_bar import TopBar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from hcc_scope.by_hand import HandPhase
    from ui.app import App
    from ui.control.settings_store import SettingsStore
    from ui.kit.theme import ThemeName

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
TARGET = Guidance(3, (10.0, 20.0), 24, 9, 2, (-2.3, -0.5), 700.0, text="left 2.3 fields, up 0.5")


def view(
    word: str = "",
    phase: HandPhase = "free",
    *,
    guidance: Guidance | None = None,
    captured_seq: int | None = None,
    n_captured: int = 0,
    n_forced: int = 0,
) -> HandView:
    """Return what is known after a live frame."""
    frame = Frame(0, PIXELS, 1, datetime(2026, 11, 30, tzinfo=UTC), 10.0, "S1", pixel_size_um=0.65)
    lost = word == "lost"
    track = TrackView("lost") if lost else TrackView("tracking", Place(0, 1.0, 2.0, 0.3))
    return HandView(
        frame, track, verdict(word), phase, True, 5, n_captured, n_forced, captured_seq=captured_seq, guidance=guidance
    )


# -- what is read ------------------------------------------------------------------------------------------------------


def test_each_reason_for_not_capturing_is_the_state_word_with_its_explanation():
    for word, explanation in EXPLANATIONS.items():
        state = state_of(view(word))
        assert (state.word, state.explanation) == (word, explanation)
    signs = {word: state_of(view(word)).sign for word in ("lost", "too fast", "moving", "")}
    assert len(set(signs.values())) == 4, "states differ in shape, not only in colour"


def test_on_the_way_to_a_target_the_screen_does_not_ask_for_rest():
    assert state_of(view("moving", "targets", guidance=TARGET)).word == "off target"
    assert state_of(view("moving", "targets", guidance=replace(TARGET, within=True))).word == "moving"
    assert state_of(view("lost", "targets", guidance=TARGET)).word == "lost"


def test_a_pause_states_how_to_go_on_and_a_start_that_no_picture_is_there():
    assert state_of(view("moving"), paused=True).word == "paused"
    assert "known place" in state_of(view("moving"), paused=True).explanation
    assert state_of(None).word == "starting"


def test_the_number_is_of_the_drawn_fields_once_there_are_any():
    free = count_of(view(n_captured=11, n_forced=1))
    assert (free.n, free.of, free.remark) == ("11", "fields", "1 kept all the same")
    places = tuple((100.0 * k, 0.0) for k in range(6))
    sample = DrawnSample(places, (80.0, 80.0), ((-90.0, -90.0), (900.0, -90.0), (0.0, 90.0)), seed=1)
    for k, seq in ((4, 0), (1, 2)):
        sample = sample.with_reached(k, seq)
    guided = count_of(view(n_captured=3), sample.with_skipped(0, "fold"))
    assert (guided.n, guided.of, guided.remark) == ("2", "of 6 drawn fields", "1 skipped")


def test_the_arrow_points_as_the_picture_shows_it(qtbot: QtBot):
    sign = ArrowSign()
    qtbot.addWidget(sign)
    assert sign.sign == ""
    for arrow, degrees in (((1.0, 0.0), 0), ((0.0, 1.0), 90), ((-1.0, 0.0), 180), ((0.0, -1.0), -90)):
        sign.show_guidance(Guidance(0, (0.0, 0.0), 1, 0, 0, arrow, 1.0))
        assert (sign.sign, round(sign.degrees)) == ("arrow", degrees)
    sign.show_guidance(Guidance(0, (0.0, 0.0), 1, 0, 0, None, None))
    assert sign.sign == "unknown"
    sign.show_guidance(Guidance(0, (0.0, 0.0), 1, 0, 0, (0.1, 0.0), 1.0, within=True))
    assert sign.sign == "target"


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_state_word_and_number_are_readable_from_a_metre_away(qtbot: QtBot, qapp: QApplication, theme: ThemeName):
    apply_theme(qapp, theme)
    window = QMainWindow()
    qtbot.addWidget(window)
    tab = HandTab([], QDialog())
    window.setCentralWidget(tab)
    window.resize(1920, 1080)
    window.show()
    tab.show_view(view("no structure", "targets", guidance=TARGET), paused=False)
    for name in ("State", "Captured fields", "Score beside the picture"):
        label = find(tab, ValueLabel, name)
        assert label.fontInfo().pixelSize() >= 40
        assert label.width() >= label.minimumSizeHint().width(), "nothing is cut off"
        text, ground = label.palette().windowText().color().name(), colours(theme).window
        light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 7
    assert find(tab, ValueLabel, "Way to the next field").fontInfo().pixelSize() >= 24
    apply_theme(qapp, "dark")


def test_a_small_window_has_smaller_letters(qtbot: QtBot):
    readout = Readout()
    qtbot.addWidget(readout)
    readout.resize(1000, 1000)
    readout.show()
    large = readout.large_px
    readout.resize(400, 400)
    assert readout.large_px < large


# -- the tab -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tab(qtbot: QtBot) -> HandTab:
    tab = HandTab([], QDialog())
    qtbot.addWidget(tab)
    tab.show()
    return tab


def offered(tab: HandTab) -> list[str]:
    return [button.text() for button in tab.steps.findChildren(ViewButton) if button.isVisible()]


def test_each_phase_offers_its_own_steps(tab: HandTab):
    tab.show_view(view(phase="outline"), paused=False)
    assert offered(tab) == ["Outline is closed", "Mark corner", "New island"]
    tab.show_view(view(phase="mend"), paused=False)
    assert offered(tab) == ["Draw fields", "Drive round again"]
    tab.show_view(view(phase="targets", guidance=TARGET), paused=False)
    free = ["Capture", "Undo last", "Keep this one all the same", "Automatic", "New island"]
    assert offered(tab) == ["Skip: bare glass", "Skip: fold", "Skip: not reachable", *free]
    tab.end(FINISHING, view(n_captured=7))
    assert offered(tab) == []
    assert tab.readout.state == "finishing"
    assert find(tab, ValueLabel, "Captured fields").text() == "7", "a frame may still be captured after Stop"
    tab.end(failed("the camera was unplugged"), view(n_captured=7))
    assert tab.readout.state == "failed"
    assert find(tab, ValueLabel, "What the state means").text() == "The camera was unplugged."


def test_a_button_asks_for_its_step_and_a_skip_for_its_reason(tab: HandTab, qtbot: QtBot):
    asked: list[str] = []
    tab.steps.asked.connect(asked.append)
    tab.steps.skipped.connect(asked.append)
    tab.show_view(view(phase="targets", guidance=TARGET), paused=False)
    for name in ("Undo last", "Skip: fold"):
        qtbot.mouseClick(find(tab, ViewButton, name), Qt.MouseButton.LeftButton)
    assert asked == ["undo", "fold"]
    tab.show_view(view(phase="targets", guidance=TARGET), paused=True)
    qtbot.mouseClick(find(tab, ViewButton, "Undo last"), Qt.MouseButton.LeftButton)
    assert asked == ["undo", "fold"], "while it is paused nothing is asked for"


def test_a_capture_is_seen_and_heard_once_and_an_undone_one_is_not(tab: HandTab, monkeypatch: pytest.MonkeyPatch):
    heard: list[str] = []
    monkeypatch.setattr(QApplication, "beep", lambda: heard.append("beep"))
    seen: list[int] = []
    tab.capture_seen.connect(seen.append)
    for seq in (None, 0, 0, 1, 0, 2):  # field 1 is undone before field 2 is captured
        tab.show_view(view(captured_seq=seq), paused=False)
    assert seen == [0, 1, 2]
    assert len(heard) == 3
    assert tab.picture.flashing
    tab.begin()
    tab.sound = False
    tab.show_view(view(captured_seq=0), paused=False)
    assert len(heard) == 3
    assert seen[3:] == [0]


def test_the_state_word_is_true_before_the_first_live_frame_and_during_another_section(tab: HandTab):
    assert tab.readout.state == "no section"
    for state, then in ((PREPARING, "no section"), (SEQUENCE, "ended")):
        tab.await_section(state)
        assert tab.readout.state == state.word
        tab.end()
        assert tab.readout.state == then


def test_the_flash_is_painted_at_the_edge_and_can_be_left_out(tab: HandTab):
    tab.picture.resize(200, 200)
    tab.sound = tab.flashes = False
    tab.show_view(view(captured_seq=0), paused=False)
    assert not tab.picture.flashing
    before = tab.picture.grab().toImage().pixelColor(7, 100).name()
    tab.picture.flash()
    assert tab.picture.grab().toImage().pixelColor(7, 100).name() == colours("dark").good != before


# -- keys --------------------------------------------------------------------------------------------------------------


class Desk:
    """A window with a button, a shortcut and a text field, and the keys of a section by hand."""

    def __init__(self, qtbot: QtBot) -> None:
        self.window = QMainWindow()
        qtbot.addWidget(self.window)
        self.asked: list[str] = []
        self.active = True
        self.keys = HandKeys(lambda: self.active, self.asked.append, self.window)
        inside = QDialog()
        self.button, self.text = QPushButton("Press"), QLineEdit()
        column = QVBoxLayout(inside)
        column.addWidget(self.button)
        column.addWidget(self.text)
        inside.setWindowFlags(Qt.WindowType.Widget)
        self.window.setCentralWidget(inside)
        self.button.clicked.connect(lambda: self.asked.append("pressed"))
        undo = self.window.addAction("Exclude field")
        undo.setShortcuts(["Ctrl+Z", "PgDown"])
        undo.triggered.connect(lambda: self.asked.append("excluded"))
        self.window.show()
        qtbot.waitActive(self.window)
        self.button.setFocus()


@pytest.fixture
def desk(qtbot: QtBot) -> Iterator[Desk]:
    desk = Desk(qtbot)
    desk.keys.begin()
    yield desk
    desk.keys.end()


KEYS = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_PageDown)


def test_keys_capture_whatever_has_the_keyboard_in_the_window(desk: Desk, qtbot: QtBot):
    for key in KEYS:
        qtbot.keyClick(desk.button, key)
    assert desk.asked == ["capture"] * 4
    qtbot.keyClick(desk.button, Qt.Key.Key_Backspace)
    qtbot.keyClick(desk.button, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.asked[4:] == ["undo"] * 2


def test_a_text_gets_its_space_and_a_foot_switch_captures_nevertheless(desk: Desk, qtbot: QtBot):
    desk.text.setFocus()
    qtbot.keyClicks(desk.text, "a b")
    qtbot.keyClick(desk.text, Qt.Key.Key_Backspace)
    assert (desk.text.text(), desk.asked) == ("a ", [])
    qtbot.keyClick(desk.text, Qt.Key.Key_PageDown)
    assert desk.asked == ["capture"]


def test_in_a_dialog_only_the_foot_switch_captures(desk: Desk, qtbot: QtBot):
    dialog = QDialog(desk.window)
    ok = QPushButton("OK", dialog)
    ok.clicked.connect(dialog.accept)
    dialog.open()
    qtbot.waitActive(dialog)
    ok.setFocus()
    qtbot.keyClick(ok, Qt.Key.Key_PageDown)
    assert desk.asked == ["capture"]
    qtbot.keyClick(ok, Qt.Key.Key_Space)
    assert desk.asked == ["capture"]
    assert not dialog.isVisible(), "the dialog got the space"


def test_without_a_section_the_keys_are_those_of_the_window_and_a_held_pedal_is_one_request(desk: Desk, qtbot: QtBot):
    held = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier, " ", True)
    QApplication.sendEvent(desk.button, held)
    assert desk.asked == []
    desk.active = False
    qtbot.keyClick(desk.button, Qt.Key.Key_Space)
    qtbot.keyClick(desk.button, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.asked == ["pressed", "excluded"]


# -- a section ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def manual_rig(demo_cfg: Callable[..., Path]) -> Path:
    """Return the demo rig as a stand without motors: the devices of stage and focus are left out."""
    cfg = demo_cfg(**ONE_TILE)
    lines = cfg.read_text(encoding="utf-8").splitlines()
    left = [line for line in lines if not {"XY", "Z"} & set(line.split(","))]
    cfg.write_text("\n".join(left) + "\n", encoding="utf-8")
    return cfg


def test_a_rig_without_a_stage_opens_by_hand_and_a_section_runs_by_keys(shell: App, manual_rig: Path, qtbot: QtBot):
    open_rig(shell, manual_rig)
    saturated = replace(view().frame, pixels=np.full((64, 64), 65535, np.uint16), em_gain=5.0)
    shell.state.hand_changed.emit(replace(view(), frame=saturated))
    assert shell.views.status.concern("sensor") == "bad", "the sensor ages in live frames that are not captured, too"
    tabs, hand = shell.window.tabs, shell.views.hand
    assert tabs.currentWidget() is hand
    assert shell.setup.request.plan.kind == "guided"
    assert not shell.views.devices.stage.isVisibleTo(shell.views.devices)
    assert not any(dock.isVisible() for dock in shell.window.docks.values())
    assert not find(shell.window.top, QToolButton, "Emergency stop").isVisible(), "nothing moves by itself"
    panels, sound = shell.window.actions_["panels"], shell.window.actions_["capture_sound"]
    panels.trigger()
    assert shell.window.docks["rig"].isVisible()
    panels.trigger()
    assert not shell.window.docks["rig"].isVisible()
    sound.trigger()
    assert not hand.sound
    assert not shell.settings_store.settings.capture_sound
    assert shell.setup.request.specimen == "hand"  # no person can move the demo's specimen
    shell.window.top.specimen.setCurrentText("Phantom, high")
    shell.window.actions_["live"].trigger()
    wait_for(lambda: hand.picture.pixels is not None, "the preview in the tab By hand")
    shell.window.top.engine.setCurrentText("torchscript")
    shell.setup.change(plan=PlanChoice("free"))
    name_section(shell)
    start(shell)
    wait_for(lambda: shell.state.hand is not None, "a live frame")
    find(hand, ViewButton, "Automatic").click()
    wait_for(lambda: not shell.state.hand.automatic, "captures on request alone")
    shell.state.hand = replace(shell.state.hand, phase="outline")
    qtbot.keyClick(shell.window, Qt.Key.Key_Space)
    assert "Fields are captured once they are drawn. Drive once round" in notices(shell)
    before = shell.state.hand.n_captured
    find(hand, ViewButton, "Keep this one all the same").click()
    wait_for(lambda: shell.state.hand.n_captured == before + 1, "a capture")
    seq = shell.state.hand.captured_seq
    qtbot.keyClick(shell.window, Qt.Key.Key_Backspace)
    wait_for(lambda: shell.state.hand.n_captured == before, "the undo")
    wait_for(lambda: shell.run.is_excluded(seq), "the mark")
    assert shell.run.last_excluded is None, "what is undone is not included again as if it had been excluded"
    assert "Ctrl+Z" not in shell.window.actions_["exclude"].toolTip(), "it is the undo of a capture now"
    assert shell.window.actions_["exclude"].shortcut().isEmpty()
    shell.window.actions_["pause"].trigger()
    wait_for(lambda: find(hand, ValueLabel, "State").text() == "paused", "the pause on the screen")
    qtbot.keyClick(shell.window, Qt.Key.Key_Space)
    assert "go on with Resume (F9) first" in notices(shell)
    notice, picture = shell.window.notice, hand.picture
    wait_for(notice.isVisible, "the notice")
    wait_for(
        lambda: picture.rect().contains(picture.mapFromGlobal(notice.mapToGlobal(notice.rect().center()))), "place"
    )
    wait_until_held(shell)
    shell.window.actions_["live"].trigger()
    looked: set[int] = set()
    shell.state.frame_arrived.connect(lambda frame: frame.section_id or looked.add(frame.seq))
    wait_for(lambda: len(looked) >= 2 and picture.pixels is shell.state.frame.pixels, "live pictures in the pause")
    shell.window.actions_["live"].trigger()
    wait_for(lambda: not shell.jobs.n_open, "the map")
    on_map = set(shell.views.map.fields.fields)
    assert on_map <= set(range(shell.state.snapshot.counts.acquired)), "what is looked at is no field"
    shell.window.actions_["pause"].trigger()
    shell.window.actions_["stop"].trigger()
    finish(shell)
    assert "Ctrl+Z" in shell.window.actions_["exclude"].toolTip()
    store = open_store(shell.run.last_store)
    assert store.n_frames == seq + 1
    assert find(hand, ValueLabel, "State").text() == "ended"
    assert find(hand, ValueLabel, "Captured fields").text() == str(before)
    assert find(hand, QToolButton, "Start").isVisible()

    seen: list[int] = []
    hand.capture_seen.connect(seen.append)
    shell.resumes.continue_section(str(shell.run.last_store))
    wait_for(lambda: shell.state.hand is not None and shell.run.phase == "running", "the section to go on")
    assert shell.window.top.section.value == "S1", "not the next one"
    assert shell.run.is_excluded(seq), "the mark of the first part is on the map"
    find(hand, ViewButton, "Keep this one all the same").click()
    wait_for(lambda: seen, "a capture of the second part")
    shell.window.actions_["stop"].trigger()
    finish(shell)
    assert seen[0] == seq + 1, "the numbers go on, and no field of the first part flashes again"
    again = open_store(shell.run.last_store)
    assert again.path == store.path
    assert again.n_frames >= seq + 2
    assert [note.kind for note in read_notes(again.path)][:1] == ["exclude"]


def test_a_stand_that_is_stated_to_be_manual_opens_by_hand_though_a_stage_reports_its_place(
    shell: App, demo_cfg: Callable[..., Path]
):
    rig = rig_file(demo_cfg(**ONE_TILE))
    rig.write_text(rig.read_text(encoding="utf-8") + "stand: manual\n", encoding="utf-8")
    open_rig(shell, rig)
    devices = shell.views.devices
    assert shell.window.tabs.currentWidget() is shell.views.hand
    assert shell.setup.request.plan.kind == "guided", "no plan moves the stage"
    assert not devices.stage.isVisibleTo(devices), "nor does a pad"
    assert find(shell.window.top, QToolButton, "Emergency stop").isVisible(), "its drives can be stopped"


def test_the_simulated_hand_is_offered_where_the_demo_is_moved_by_hand_alone(
    qtbot: QtBot, tmp_path: Path, settings_store: Callable[..., SettingsStore]
):
    window, jobs = QMainWindow(), Jobs()
    qtbot.addWidget(window)
    setup = SectionSetup(settings_store(Settings(demo_specimen="hand"), tmp_path, jobs))
    top = TopBar(Actions(window, "dark"), Settings(), setup)
    window.setCentralWidget(top)
    assert setup.request.specimen == "high", "no rig is open on which a simulated hand could play"
    top.specimen.setCurrentText("Phantom, low")
    top.show_specimen(True, by_hand=True)
    assert (setup.request.specimen, top.specimen.currentText()) == ("hand", "Phantom, simulated hand")
    top.show_specimen(True)
    assert (setup.request.specimen, top.specimen.count()) == ("low", 3)
    top.show_specimen(False, by_hand=True)
    assert top.specimen.count() == 3, "on a rig that is no demo, a person moves the stand"
    assert jobs.close() == ()


def test_the_simulated_hand_keeps_to_the_wall_clock_and_catches_up_with_nothing():
    class Hand:
        over = False
        t_s = -0.1

        def before_frame(self, view: HandView | None) -> float:
            self.t_s += 0.1
            return self.t_s

    now_s, waits = [50.0], []

    def sleep(s: float) -> None:
        waits.append(round(s, 3))
        now_s[0] += s

    paced = PacedOperator(Hand(), clock_s=lambda: now_s[0], sleep=sleep)
    for taken_s in (0.03, 0.03, 7.0, 0.03, 0.2, 0.0):  # a frame, a frame, a pause, a frame, a slow one, a quick one
        paced.before_frame(None)
        now_s[0] += taken_s
    assert waits == [0.07, 0.07, 0.07]
    assert not paced.over
