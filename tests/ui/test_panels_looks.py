"""Looks and access: nothing cut at a dock's width, everything reachable, named and explained, in both themes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from panel_parts import COUNTS, MANUAL_STAND, PROPERTIES, RIG, result, section, snapshot
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialogButtonBox,
    QLabel,
    QScrollBar,
    QStyle,
    QStyleOptionComboBox,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.runs.animal_sections import OtherSection
from ui.devices.device_panels import DevicePanels
from ui.devices.properties import PropertyBrowser
from ui.kit.dialog_buttons import without_icons
from ui.kit.flow_layout import FlowLayout
from ui.kit.scrolled import scrolled
from ui.kit.symbols import SignedLine, SymbolBadge
from ui.kit.theme import apply_theme, colours, theme_palette
from ui.score.quality import QualityPanel
from ui.score.score import ScorePanel
from ui.shell.status_strip import StatusStrip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from ui.kit.theme import ThemeName

DOCK_PX = 300
RIG_PX = 260
"""The dock of the rig in a window of 1280 pixels; the bar for scrolling takes some of it."""


def rig_column() -> QWidget:
    panels = DevicePanels()
    panels.set_state(RIG)
    return scrolled(panels)


def manual_column() -> QWidget:
    panels = DevicePanels()
    panels.set_state(MANUAL_STAND)
    panels.set_locked("A section is running: its settings cannot be changed until it ends.")
    return scrolled(panels)


def result_column() -> QWidget:
    score, course = section()
    panel, quality = ScorePanel(), QualityPanel()
    panel.set_section("M7", "S1")
    panel.set_snapshot(snapshot(score, COUNTS, degraded="the model did not answer in 30 s"))
    panel.set_course(course)
    panel.set_other_sections([OtherSection("S2-deep-left", section(mean=-2)[0]), OtherSection("S3", score)])
    quality.set_result(result(17, score.threshold, [2, 2] + [0] * 14))
    return scrolled(panel, quality)


def browser() -> PropertyBrowser:
    widget = PropertyBrowser()
    widget.set_properties(PROPERTIES)
    return widget


def strip() -> StatusStrip:
    widget = StatusStrip()
    widget.set_snapshot(snapshot(section(6)[0], COUNTS, analyse_queue_fill=0.9))
    widget.set_system(85_000_000_000, 98e6, 1_340_000_000)
    return widget


MAKERS = [rig_column, manual_column, result_column, browser, strip]


@pytest.fixture(params=["dark", "light"])
def theme(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[ThemeName]:
    palette, style = qapp.palette(), qapp.style().objectName()
    apply_theme(qapp, request.param)
    yield request.param
    qapp.setStyle(style)
    qapp.setPalette(palette)


def show(qtbot: QtBot, widget: QWidget, width_px: int = DOCK_PX) -> None:
    qtbot.addWidget(widget)
    widget.resize(width_px, 1400)
    with qtbot.waitExposed(widget):
        widget.show()
    QApplication.processEvents()


def cut(widget: QWidget) -> str | None:
    """Return the text of a widget that does not fit into it, or None."""
    if isinstance(widget, QLabel) and widget.text():
        needed = widget.heightForWidth(widget.width()) if widget.wordWrap() else widget.sizeHint().height()
        # a wrapping label breaks between words, so the longest must fit
        longest = max(widget.text().split(), key=widget.fontMetrics().horizontalAdvance)
        width = widget.fontMetrics().horizontalAdvance(longest if widget.wordWrap() else widget.text())
        return widget.text() if needed > widget.height() or width > widget.width() else None
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        room = widget.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, widget
        )
        text = widget.currentText() or widget.placeholderText()
        return text if widget.fontMetrics().horizontalAdvance(text) > room.width() else None
    if isinstance(widget, QAbstractButton) and widget.text():
        return widget.text() if widget.sizeHint().width() > widget.width() else None
    return None


def contrast(one: QColor, other: QColor) -> float:
    """Return how well a text can be told from its ground, by WCAG 2: 1 to 21."""

    def luminance(colour: QColor) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_every_text_can_be_told_from_its_ground(name: ThemeName):
    palette, roles = theme_palette(name), QPalette.ColorRole
    for text, ground in (
        (roles.WindowText, roles.Window),
        (roles.Text, roles.Base),
        (roles.PlaceholderText, roles.Window),
        (roles.PlaceholderText, roles.Base),
        (roles.ButtonText, roles.Button),
        (roles.HighlightedText, roles.Highlight),
    ):
        assert contrast(palette.color(text), palette.color(ground)) >= 4.5, (text, ground)
    if name == "dark":  # Fusion draws the lines below tabs in it: they are no brighter than a text
        assert contrast(palette.color(roles.Light), palette.color(roles.Window)) < 2


def test_the_sign_stands_beside_its_words(qtbot: QtBot):
    line = SignedLine("Where to turn the focus")
    qtbot.addWidget(line)
    line.show_line("unknown", "Turn slowly")
    line.resize(200, 60)
    with qtbot.waitExposed(line):
        line.show()
    badge = line.findChild(SymbolBadge)
    assert abs(badge.geometry().center().y() - 30) <= 1
    line.show_line("unknown", "Turn the focus slowly through the best and back to it")
    qtbot.waitUntil(lambda: badge.geometry().top() == 0)


def test_dialogs_take_no_icons_of_the_desktop(qtbot: QtBot):
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok)
    qtbot.addWidget(box)
    box.buttons()[0].setIcon(box.style().standardIcon(QStyle.StandardPixmap.SP_DialogOkButton))
    without_icons(box)
    assert box.buttons()[0].icon().isNull()


@pytest.mark.parametrize("make", MAKERS)
def test_no_text_is_cut_at_a_docks_width(qtbot: QtBot, theme: ThemeName, make: Callable[[], QWidget]):
    widget = make()
    width_px = RIG_PX if make in (rig_column, manual_column) else DOCK_PX
    show(qtbot, widget, width_px)
    assert widget.minimumSizeHint().width() <= width_px
    assert widget.width() == width_px
    visible = [child for child in widget.findChildren(QWidget) if child.isVisible()]
    assert [text for child in visible if (text := cut(child)) is not None] == []
    for field in (child for child in visible if hasattr(child, "lineEdit") and child.lineEdit() is not None):
        line = field.lineEdit()
        assert line.fontMetrics().horizontalAdvance(line.text()) <= line.width() - 4, line.text()


@pytest.mark.parametrize("make", MAKERS)
def test_everything_is_named_explained_and_reachable(qtbot: QtBot, make: Callable[[], QWidget]):
    widget = make()
    show(qtbot, widget)
    controls = [
        child
        for child in widget.findChildren(QWidget)
        if child.isVisible()
        and child.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not isinstance(child, QScrollBar)
        and not child.objectName().startswith("qt_")
    ]
    for control in controls:
        if control is not widget:
            assert control.accessibleName() or control.property("text"), control
            assert control.toolTip(), control.accessibleName()
    reached = set()
    start = current = widget
    while (current := current.nextInFocusChain()) is not start and current is not None:
        reached.add(current)
    assert set(controls) <= reached
    for badge in widget.findChildren(SymbolBadge):
        assert not badge.isVisible() or badge.accessibleName()


@pytest.mark.parametrize("make", MAKERS)
def test_a_theme_change_needs_no_call(qtbot: QtBot, qapp: QApplication, make: Callable[[], QWidget]):
    palette, style = qapp.palette(), qapp.style().objectName()
    apply_theme(qapp, "dark")
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(make())
    show(qtbot, box)
    seen = []
    for name in ("dark", "light"):
        apply_theme(qapp, name)
        QApplication.processEvents()
        image = box.grab().toImage()
        seen.append(Counter(image.pixelColor(x, y).name() for x in range(0, 300, 3) for y in range(0, 600, 3)))
        assert seen[-1].total() > 1000
    for ground in ("window", "surface"):
        dark, light = getattr(colours("dark"), ground), getattr(colours("light"), ground)
        assert seen[1][light] > seen[0][dark] / 2
        assert seen[1][dark] < seen[0][dark] / 20 + 20  # letters and edges may have any shade
    qapp.setStyle(style)
    qapp.setPalette(palette)


def test_a_row_that_gets_or_loses_a_control_has_another_height_at_once(qtbot: QtBot):
    page = QWidget()
    qtbot.addWidget(page)
    row = FlowLayout(page)
    parts = [QLabel("one"), QLabel("two")]
    row.addWidget(parts[0])
    width = parts[0].sizeHint().width() + 1
    low = row.heightForWidth(width)
    row.addWidget(parts[1])
    assert row.heightForWidth(width) > low
    row.takeAt(1)
    assert row.heightForWidth(width) == low
