"""Operator mode: little on the screen, most of it picture, map and score; Expert mode: all there is."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
from find import find, interactive, name_of
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QTabBar, QToolButton, QWidget
from shell_parts import finish, name_section, open_rig, running_app, start, wait_for

from benchmarks.window import area_share, controls_shown
from hcc_scope.field_quality import FieldQuality
from ui.control.next_step import Situation, next_step
from ui.control.section_request import PlanChoice
from ui.kit.labels import colours_of
from ui.kit.theme import colours
from ui.score.quality_signs import QualitySigns
from ui.shell.status_strip import StatusStrip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from ui.app import App

MOST_CONTROLS = 30
LEAST_AREA = 2 / 3
TODAY = 984
"""Widgets of the window with the demo rig before there were modes."""


@pytest.fixture(scope="module")
def operator(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Return the app in Operator mode, the default, past its welcome page; without a rig."""
    del qapp
    folder = tmp_path_factory.mktemp("operator")
    (folder / "settings").mkdir()  # no settings: the defaults
    with running_app(folder) as app:
        app.window.show_welcome(False)
        QApplication.processEvents()  # the window fits the screen once it is shown: that of the tests is narrow
        assert app.window.narrow == ("Section map" in tabs(app))
        app.window.resize(1280, 720)
        QApplication.processEvents()
        wait_for(lambda: "hcc-ui-disk" in {thread.name for thread in threading.enumerate()}, "the look around")
        yield app


def tabs(app: App) -> list[str]:
    return [app.window.tabs.tabText(i) for i in range(app.window.tabs.count())]


def test_operator_mode_shows_few_controls_and_mostly_picture_map_and_score(operator: App):
    window = operator.window
    assert window.mode == "operator"
    assert (window.width(), window.height()) == (1280, 720)
    shown = [name_of(one) for one in controls_shown(window)]
    assert len(shown) < MOST_CONTROLS, shown
    assert area_share(operator) > LEAST_AREA


def test_picture_and_map_stand_side_by_side_and_the_course_is_above_the_fold(operator: App):
    views, window = operator.views, operator.window
    picture, section_map = views.live.view, views.map.view
    assert tabs(operator)[0] == "Section"
    assert picture.isVisible()
    assert section_map.isVisible()
    assert abs(picture.width() - section_map.width()) < picture.width() / 4
    plot = find(views.score, QWidget, "Course of the score")
    dock = window.docks["score"]
    assert plot.isVisible()
    assert dock.rect().contains(QRect(plot.mapTo(dock, QPoint()), plot.size()))


def test_no_key_of_the_picture_moves_the_stage_on_the_map_beside_it(operator: App):
    keys = {action.shortcut().toString() for action in operator.views.live.actions()} - {""}
    search = find(operator.views.map, QToolButton, "Find tissue").defaultAction()
    assert {"T", "J"} <= keys
    assert search.shortcut().toString() not in keys | {""}


def test_the_emergency_stop_is_the_one_red_button_and_start_the_one_of_the_accent(operator: App):
    """By what each button is filled with, whichever state it is in."""
    window = operator.window
    filled = {
        name_of(one): one.styleSheet().split("background:")[1].split(";")[0].strip()
        for one in window.findChildren(QAbstractButton)
        if "background:" in one.styleSheet()
    }
    red = [name for name, colour in filled.items() if colour in ("#b3261e", colours_of(window).error)]
    accent = [name for name, colour in filled.items() if colour == colours_of(window).accent]
    assert (red, accent) == (["Emergency stop"], ["Start"])
    assert filled["Stop stage and focus immediately"] == colours(window.theme).window


def test_the_panel_of_the_rig_is_one_click_away(operator: App):
    dock = operator.window.docks["rig"]
    button = find(operator.window.top, QToolButton, "Panel of the rig")
    assert dock.isHidden()
    button.click()
    assert dock.isVisible()
    assert operator.views.devices.stage is not None
    button.click()
    assert dock.isHidden()


def test_each_empty_page_has_one_sentence_and_one_button(operator: App):
    views, window = operator.views, operator.window
    for view, page in (
        (views.section, views.live.view),
        (views.section, views.map.view),
        (views.tiles, views.tiles.placeholder),
        (views.replay, views.replay),
    ):
        window.show_view(view)
        QApplication.processEvents()
        hint = find(page, QWidget, "Empty page")
        (button,) = hint.findChildren(QAbstractButton)
        (words,) = hint.findChildren(QLabel)
        assert words.text().endswith(".")
        assert words.text().count(".") == 1
        assert button.isVisible()
        assert button.text()
        assert page.rect().contains(QRect(hint.mapTo(page, QPoint()), hint.size()))
    window.show_view(views.live)


def test_the_menu_of_a_tab_is_there_with_its_tab_and_no_two_menus_have_one_key(operator: App):
    views, window = operator.views, operator.window

    def menus() -> list[str]:
        return [action.text() for action in window.menuBar().actions() if action.isVisible()]

    always = ["&File", "&Rig", "&Section", "Fie&ld", "&Map", "&View", "&Help"]
    try:
        assert menus() == always
        window.show_view(views.library)
        assert menus() == [*always[:5], "Li&brary", *always[5:]]
        window.show_view(views.models)
        assert menus() == [*always[:5], "M&odel", *always[5:]]
    finally:
        window.show_view(views.live)
    texts = [action.text() for action in window.menuBar().actions()]
    assert len(set(map(alt_key, texts))) == len(texts) == 9
    for view in (views.replay, views.tiles):  # Alt and the letter opens the menu, or goes to the control
        of_view = [one.text() for kind in (QLabel, QAbstractButton) for one in view.findChildren(kind)]
        of_view += [bar.tabText(i) for bar in view.findChildren(QTabBar) for i in range(bar.count())]
        both = set(map(alt_key, always)) & set(map(alt_key, of_view)) - {""}
        assert not both, view


def alt_key(text: str) -> str:
    found = re.search("&([a-z])", text, re.IGNORECASE)
    return "" if found is None else found[1].lower()


def test_the_mode_changes_at_once_and_is_remembered(operator: App):
    window, views = operator.window, operator.views
    operator_tabs = tabs(operator)
    window.actions_["expert"].trigger()
    assert operator.settings_store.settings.mode == "expert"
    assert tabs(operator)[:2] == ["Live", "Section map"]
    assert window.shown_tab is views.live
    assert all(window.docks[name].isVisible() for name in ("rig", "score"))
    window.show_view(views.map)
    window.actions_["expert"].trigger()
    assert operator.settings_store.settings.mode == "operator"
    assert tabs(operator) == operator_tabs
    assert window.shown_tab is views.section
    assert window.docks["rig"].isHidden()


def test_a_change_of_mode_during_a_section_loses_nothing(qapp: QApplication, small_rig: Path, tmp_path: Path):
    del qapp
    with running_app(tmp_path, "operator") as app:
        open_rig(app, small_rig)
        assert len(app.window.findChildren(QWidget)) <= TODAY
        app.setup.change(engine="torchscript", plan=PlanChoice(n_fields=6), seed=1)
        name_section(app)
        start(app)
        pause, begin = (find(app.window.top, QToolButton, name) for name in ("Pause", "Start"))
        assert (pause.isVisible(), begin.isVisible()) == (True, False)
        for n in range(2, 6):
            wait_for(lambda n=n: len(app.views.map.fields.fields) >= n, "another field")
            app.window.actions_["expert"].trigger()
        finish(app)
        assert app.window.mode == "operator"
        assert begin.isVisible()
        assert app.state.snapshot.counts.stored == 6
        wait_for(lambda: len(app.views.map.fields.fields) == 6, "all fields on the map")
        assert app.views.live.shown_frame is not None
        assert "M7_S1 is stored" in app.window.top.hint


@pytest.mark.parametrize("size", [(1024, 576), (853, 480), (640, 360)])
def test_operator_mode_fits_1280_x_720_at_125_to_200_per_cent(operator: App, size: tuple[int, int]):
    window = operator.window
    window.resize(*size)
    for _ in range(3):
        QApplication.processEvents()
    try:
        assert (window.width(), window.height()) == size
        for one in (*window.top.findChildren(QAbstractButton), *window.top.findChildren(QComboBox)):
            if one.isVisible():
                assert one.width() >= one.minimumSizeHint().width(), name_of(one)
                assert window.rect().contains(one.mapTo(window, one.rect().bottomRight())), name_of(one)
        assert window.narrow == ("Section map" in tabs(operator))
        hint = find(window.top, QLabel, "Next step")
        assert hint.text() == operator.window.top.hint, "shortened"
        for view in (operator.views.live, operator.views.map):
            window.show_view(view)
            QApplication.processEvents()
            canvas = view.view
            assert window.rect().contains(QRect(canvas.mapTo(window, QPoint()), canvas.size()))
            assert canvas.width() > size[0] / 4
        assert window.rect().contains(window.statusBar().geometry())
        window.show_view(operator.views.library)
        QApplication.processEvents()
        bar = operator.views.library.bar
        assert all(bar.rect().contains(one.geometry()) for one in bar.children() if isinstance(one, QWidget))
        assert operator.views.library.table.height() > size[1] / 5
    finally:
        window.show_view(operator.views.live)
        window.resize(1280, 720)
        QApplication.processEvents()
    wait_for(lambda: not window.narrow, "the docks to part")
    assert area_share(operator) > LEAST_AREA


# --- the parts ---


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Situation(rig_open=False, phase="idle", missing="no rig is open"), "Open a rig"),
        (Situation(rig_open=False, phase="idle", missing="the rig is loading", rig_busy=True), "The rig is loading"),
        (Situation(rig_open=True, phase="idle", missing="the animal id is missing"), "the animal id is missing."),
        (Situation(rig_open=True, phase="idle", missing=""), "Live (F5)"),
        (Situation(rig_open=True, phase="idle", missing="", live=True), "press Start (F8)"),
        (Situation(rig_open=True, phase="idle", missing="", just_stored="M7_S1"), "M7_S1 is stored"),
        (Situation(rig_open=True, phase="preparing", missing="x"), "Preparing"),
        (Situation(rig_open=True, phase="running", missing="x"), "Pause (F9)"),
        (Situation(rig_open=True, phase="running", missing="x", by_hand=True), "By hand"),
        (Situation(rig_open=True, phase="paused", missing="x"), "Resume (F9)"),
        (Situation(rig_open=True, phase="paused", missing="x", pause_reason="paused: too dark"), "Paused: too dark."),
        (Situation(rig_open=True, phase="finishing", missing="x"), "Finishing"),
    ],
)
def test_the_next_step_is_one_sentence(now: Situation, words: str):
    sentence = next_step(now)
    assert words in sentence
    assert sentence[-1] in ".…"
    assert sentence.count(". ") == 0


def test_what_needs_attention_is_in_the_short_status_line_too(qtbot: QtBot):
    strip = StatusStrip()
    qtbot.addWidget(strip)
    strip.resize(1264, 40)
    strip.set_mode("operator")
    strip.show()
    cells = {name_of(one).partition(":")[0] for one in strip.children() if isinstance(one, QWidget) and one.isVisible()}
    assert cells == {"Run", "Lost", "Time left", "Disk left"}
    strip.set_sensor(-40.0, -70.0)
    shown = find(strip, QWidget, "Sensor: -40.0 °C")
    assert shown.isVisible()
    strip.set_sensor(-70.0, -70.0)
    assert not shown.isVisible()
    strip.set_mode("expert")
    assert shown.isVisible()


def test_the_signs_under_the_picture_have_the_words_of_the_judgement(qtbot: QtBot):
    signs = QualitySigns()
    qtbot.addWidget(signs)
    quality = FieldQuality.unknown(text="Cannot be judged: no tissue here")
    signs.show_quality(quality)
    names = [name_of(one) for one in signs.children() if isinstance(one, QWidget) and not isinstance(one, QLabel)]
    assert names == [f"{one.name}: {one.text}" for one in quality]
    assert [name.partition(":")[0] for name in names] == ["Focus", "Tissue", "Saturation", "Light", "Similarity"]
    assert interactive(signs) == []
    field = find(signs, QLabel, "Field of the quality")
    assert field.isHidden()  # a live picture is no field
    signs.show_quality(FieldQuality.unknown(seq=7))
    assert (field.isHidden(), field.text()) == (False, "Field 7")
