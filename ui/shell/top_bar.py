"""The top of the window: the rig and its state, what can be done now, and which section it is done to."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from hcc_scope.inference.base import AUTO, ENGINES
from ui.control.rig_control import RigLight
from ui.kit.controls import ElidedLabel, paint_bar
from ui.kit.theme import GRID_PX, colours
from ui.shell.id_field import IdField
from ui.shell.model_box import ModelBox

if TYPE_CHECKING:
    from PySide6.QtGui import QAction, QPaintEvent, QResizeEvent

    from ui.control.section_request import Specimen
    from ui.control.section_setup import SectionSetup
    from ui.control.settings import Settings
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName
    from ui.shell.action_specs import ActionName
    from ui.shell.actions import Actions

__all__ = ["TopBar"]

SPECIMENS: dict[Specimen, str] = {"high": "Phantom, high", "low": "Phantom, low", "none": "Test pattern"}
_PLAYED: Specimen = "hand"
_PLAYED_TEXT = "Phantom, simulated hand"
"""Offered besides where the demo's stage is moved by hand."""

_BUTTONS: tuple[ActionName, ...] = ("live", "snap", "start", "pause", "stop", "exclude")
_ICON_PX = 18
_MODEL_PX, _ENGINE_PX = 240, 144
_NARROW_PX = 900
"""Below this width the buttons show icons alone, and what the section is made with takes two lines."""
_LEAST_PX = 560
_START_PX = 12 * GRID_PX
_HEIGHT_PX: dict[ModeName, int] = {"operator": 7 * GRID_PX // 2, "expert": 4 * GRID_PX}
"""Of the buttons; a low window leaves more to the picture in Operator mode."""


_SHAPES = {"none": "○", "good": "●", "warning": "▲", "error": "■"}


class TopBar(QWidget):
    """Two rows: what can be done, and with what.

    Parameters
    ----------
    actions : Actions
    settings : Settings
        The theme, and the ids that are offered.
    setup : SectionSetup
        Shown and edited here.
    """

    def __init__(self, actions: Actions, settings: Settings, setup: SectionSetup) -> None:
        super().__init__()
        self._actions = actions
        self._setup = setup
        self._theme: ThemeName = settings.theme
        self._light = RigLight("no rig", "none")
        self._narrow = False
        self._locked = False
        self._plan_words = ""
        self._another: tuple[str, str, str] | None = None
        """Animal, section and plan that are shown instead of those that are set up."""
        self._mode: ModeName = settings.mode
        self._is_demo = False
        self._panel: QToolButton | None = None
        self._specimen_before = 0
        self.setAccessibleName("Top bar")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        layout.setSpacing(GRID_PX // 2)
        self._page = layout
        layout.addLayout(self._first_row())
        layout.addLayout(self._second_row(settings))
        self.set_theme(settings.theme)
        self._take_choices()
        setup.changed.connect(self._show_setup)
        self.set_mode(settings.mode)

    # -- made once -----------------------------------------------------------------------------------------------------

    def _first_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GRID_PX // 2)
        self._emergency = _button(self._actions["emergency"])
        self._emergency.setAccessibleName("Emergency stop")
        row.addWidget(self._emergency)  # first: whatever else a narrow window cuts off, this stays
        self._rule = _rule()
        row.addWidget(self._rule)
        self._rig = QLabel()
        self._rig.setAccessibleName("Rig and its state")
        self._rig.setMinimumWidth(2 * GRID_PX)
        row.addWidget(self._rig)
        row.addSpacing(2 * GRID_PX)
        self._hint = ElidedLabel("Next step")
        row.addWidget(self._hint, 1)
        row.addSpacing(GRID_PX)
        self._buttons = {name: _button(self._actions[name]) for name in _BUTTONS}
        for name, button in self._buttons.items():
            if name == "start":
                self._before_start = _rule()
                row.addWidget(self._before_start)
            row.addWidget(button)
        self._first = row
        self._buttons["start"].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._buttons["start"].setMinimumWidth(_START_PX)
        return row

    def _second_row(self, settings: Settings) -> QBoxLayout:
        self.animal = IdField("animal id", settings.animal_ids, settings.theme)
        self.section = IdField("section id", settings.section_ids, settings.theme)
        self.specimen = QComboBox()
        for specimen, text in SPECIMENS.items():
            self.specimen.addItem(text, specimen)
        self.specimen.setCurrentIndex(max(0, self.specimen.findData(self._setup.request.specimen)))
        self.specimen.setAccessibleName("Specimen of the demo rig")
        self.specimen.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.specimen.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.specimen.setToolTip(
            "What the demo camera shows: a synthetic section of either class, or its own test pattern"
        )
        self.model = ModelBox(_MODEL_PX)
        self.engine = QComboBox()
        self.engine.addItems([AUTO, *ENGINES])
        self.engine.setCurrentText(self._setup.request.engine)
        self.engine.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.engine.setMinimumContentsLength(5)
        self.engine.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.engine.setMaximumWidth(_ENGINE_PX)
        self.engine.setAccessibleName("Engine")
        self.engine.setToolTip("Engine for the model; auto takes the fastest that agrees with the reference here")
        self.plan = _button(self._actions["plan"])
        self.plan.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.plan.setAccessibleName("Plan")
        self._specimen_label = QLabel("Specimen")
        self._of_experts: list[QWidget] = []
        whole, row, model_row = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for part in (whole, row, model_row):
            part.setSpacing(GRID_PX // 2)
        for label, widget in (
            (QLabel("Animal"), self.animal),
            (QLabel("Section"), self.section),
            (QLabel("Plan"), self.plan),
            (self._specimen_label, self.specimen),
            (QLabel("Model"), self.model),
            (QLabel("Engine"), self.engine),
        ):
            part = model_row if widget in (self.model, self.engine) else row
            label.setBuddy(widget)
            label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
            if widget in (self.model, self.engine):
                self._of_experts += (label, widget)
            part.addWidget(label)
            part.addWidget(widget, 0 if widget in (self.plan, self.specimen) else 100)
            part.addSpacing(GRID_PX // 2)
        model_row.addStretch(1)
        whole.addLayout(row, 200)
        whole.addLayout(model_row, 100)
        whole.addStretch(1)
        self.animal.changed.connect(self._take_animal)
        self.section.changed.connect(self._take_section)
        for box in (self.specimen, self.model, self.engine):
            box.currentIndexChanged.connect(self._take_choices)
        self._rows = whole
        return whole

    @property
    def exclude_button(self) -> QToolButton:
        """The button that takes the field on the screen out of the score."""
        return self._buttons["exclude"]

    # -- its width -----------------------------------------------------------------------------------------------------

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for no more width than a small screen has: else the tool bar would hide all of it behind an arrow."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), _LEAST_PX), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Take less room where there is little."""
        super().resizeEvent(event)
        narrow = self.width() < _NARROW_PX
        if narrow == self._narrow:
            return
        self._narrow = narrow
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if narrow else Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        for name, button in self._buttons.items():
            if name != "start":
                button.setToolButtonStyle(style)
        self._rows.setDirection(QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight)
        self._place_hint()
        self.updateGeometry()

    # -- its mode ------------------------------------------------------------------------------------------------------

    def offer_panel(self, action: QAction) -> None:
        """Offer the panel of the rig with one click in Operator mode, which shows none at first."""
        self._panel = _button(action)
        self._panel.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self._panel.setAccessibleName("Panel of the rig")
        self._first.insertWidget(self._first.indexOf(self._buttons["live"]), self._panel)
        self._panel.setMinimumHeight(_HEIGHT_PX[self._mode])
        self._panel.setVisible(self._mode == "operator")

    def set_mode(self, mode: ModeName) -> None:
        """Show all controls, or in Operator mode what it takes to acquire a section."""
        self._mode = mode
        expert = mode == "expert"
        for widget in (*self._of_experts, self._buttons["snap"], self._buttons["exclude"], self._before_start):
            widget.setVisible(expert)
        if self._panel is not None:
            self._panel.setVisible(not expert)
        for button in (self._emergency, self.plan, self._panel, *self._buttons.values()):
            if button is not None:
                button.setMinimumHeight(_HEIGHT_PX[mode])
        self._show_specimen()
        self._show_run()
        self._place_hint()
        self._paint_hint()
        self.updateGeometry()

    def _show_run(self) -> None:
        """Show in Operator mode Start, or what can be done with the section that is under way."""
        expert = self._mode == "expert"
        self._buttons["start"].setVisible(expert or not self._locked)
        for name in ("pause", "stop"):
            self._buttons[name].setVisible(expert or self._locked)

    def _place_hint(self) -> None:
        """Give the next step a line of its own in a narrow window in Operator mode."""
        own_line = self._narrow and self._mode == "operator"
        before = self._first.indexOf(self._rig) + 2  # behind the spacing
        for row in (self._first, self._page):
            row.removeWidget(self._hint)
        if own_line:
            self._page.insertWidget(1, self._hint)
        else:
            self._first.insertWidget(before, self._hint, 1)
        self._first.setStretchFactor(self._rig, int(own_line))

    def _show_specimen(self) -> None:
        for widget in (self.specimen, self._specimen_label):
            widget.setVisible(self._is_demo and self._mode == "expert")

    def _paint_hint(self) -> None:
        c = colours(self._theme)
        self._hint.setStyleSheet(
            f"color: {c.text_muted};" if self._mode == "expert" else f"color: {c.text}; font-weight: bold;"
        )

    # -- what is set up ------------------------------------------------------------------------------------------------

    @Slot()
    def _take_animal(self) -> None:
        if self._another is None:
            self._setup.change(animal_id=self.animal.value)

    @Slot()
    def _take_section(self) -> None:
        if self._another is None:
            self._setup.change(section_id=self.section.value)

    @Slot()
    def _take_choices(self) -> None:
        self._setup.change(
            specimen=self.specimen.currentData(),
            model=self.model.reference,
            engine=self.engine.currentText(),
        )

    @Slot()
    def _show_setup(self) -> None:
        """Follow what changes elsewhere, as the next section id does."""
        request = self._setup.request
        animal, section = (request.animal_id, request.section_id) if self._another is None else self._another[:2]
        for field, value in ((self.animal, animal), (self.section, section)):
            if field.value != value:
                field.set_value(value)

    def set_models(self, models: list[tuple[str, str, str]], chosen: str) -> None:
        """Offer models: name, what is passed on (name or folder), and a sentence about each."""
        self.model.set_models(models, chosen)
        self._take_choices()

    def remember_ids(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Offer the present ids from now on; return all animal and section ids that are offered, newest first."""
        for field in (self.animal, self.section):
            field.remember(field.value)
        return tuple(self.animal.history()), tuple(self.section.history())

    # -- what is shown -------------------------------------------------------------------------------------------------

    def set_rig(self, light: RigLight, tip: str = "") -> None:
        """Show the rig's state."""
        self._light = light
        c = colours(self._theme)
        colour = {"none": c.text_muted, "good": c.good, "warning": c.warning, "error": c.error}[light.tone]
        words = html.escape(light.words)  # a file may be named a<b>.yaml
        self._rig.setText(f"<span style='color:{colour}'>{_SHAPES[light.tone]}</span>&nbsp; {words}")
        self._rig.setAccessibleDescription(". ".join(part for part in (light.words, tip) if part))
        self._rig.setToolTip(tip)

    @property
    def hint(self) -> str:
        """The next step, as a sentence, shortened on the screen or not."""
        return self._hint.whole_text()

    def set_hint(self, words: str) -> None:
        """Show what to do next, as a sentence (`ui.control.next_step`)."""
        self._hint.set_text(words)

    def set_plan(self, words: str) -> None:
        """Show the plan of the next section in a few words."""
        self._plan_words = words
        self._show_plan()

    def _show_plan(self) -> None:
        words = self._plan_words if self._another is None else self._another[2]
        self._actions["plan"].setIconText(words)
        self.plan.setText(words)

    def show_specimen(self, shown: bool, *, by_hand: bool = False) -> None:
        """Show or hide what belongs to the demo rig alone; `by_hand` if its stage is moved by hand."""
        there = self.specimen.findData(_PLAYED)
        if shown and by_hand and there < 0:
            self._specimen_before = self.specimen.currentIndex()
            self.specimen.addItem(_PLAYED_TEXT, _PLAYED)
            self.specimen.setCurrentIndex(self.specimen.count() - 1)  # no person can move the demo's specimen
        elif not (shown and by_hand) and there >= 0:
            if self.specimen.currentIndex() == there:
                self.specimen.setCurrentIndex(self._specimen_before)
            self.specimen.removeItem(there)
        self._is_demo = shown
        self._show_specimen()

    def show_emergency(self, shown: bool) -> None:
        """Show the emergency stop, or hide it on a rig on which nothing moves by itself."""
        self._actions["emergency"].setVisible(shown)
        self._emergency.setVisible(shown)
        self._rule.setVisible(shown)

    def lock(self, locked: bool, another: tuple[str, str, str] | None = None) -> None:
        """Keep ids, plan and model as they are while a section is under way.

        Parameters
        ----------
        locked : bool
        another : tuple of str, optional
            Animal, section, and what is taken, of a section that goes on or is imported: shown while it is locked. What
            is set up for the next section stays.
        """
        self._another = another if locked else None
        self._show_setup()
        self._show_plan()
        for widget in (self.animal, self.section, self.specimen, self.model, self.engine):
            widget.setEnabled(not locked)
        self._locked = locked
        self._show_run()

    def set_theme(self, theme: ThemeName) -> None:
        """Take a theme's colours."""
        self._theme = theme
        c = colours(theme)
        self._emergency.setStyleSheet(
            f"QToolButton {{ background: #b3261e; color: white; font-weight: bold; padding: 2px 10px;"
            f" border: 1px solid #7f1811; border-radius: 4px; }}"
            f"QToolButton:hover {{ background: #c93a31; }} QToolButton:focus {{ border: 2px solid {c.text}; }}"
            f"QToolButton:disabled {{ background: {c.window}; color: {c.text_muted}; border-color: {c.border}; }}"
        )
        self._buttons["start"].setStyleSheet(
            f"QToolButton {{ background: {c.accent}; color: {c.surface}; font-weight: bold; padding: 2px 10px;"
            f" border: 1px solid {c.accent}; border-radius: 4px; }}"
            f"QToolButton:hover, QToolButton:focus {{ border: 2px solid {c.text}; }}"
            f"QToolButton:disabled {{ background: {c.window}; color: {c.text_muted}; border-color: {c.border}; }}"
        )
        self._paint_hint()
        self.animal.set_theme(theme)
        self.section.set_theme(theme)
        self.model.set_theme(theme)
        self.set_rig(self._light, self._rig.toolTip())


class _ActionButton(QToolButton):
    """A button of an action. One that stays down has the bar of the views' buttons: Fusion hardly shows it."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the bar over the button while the action is on."""
        super().paintEvent(event)
        if self.isChecked():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_bar(painter, self, self.palette().link().color().name())
            painter.end()


def _button(action: QAction) -> QToolButton:
    button = _ActionButton()
    button.setDefaultAction(action)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setIconSize(QSize(_ICON_PX, _ICON_PX))
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.setMinimumHeight(4 * GRID_PX)
    return button


def _rule() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.VLine)
    line.setFrameShadow(QFrame.Shadow.Plain)
    line.setEnabled(False)
    return line
