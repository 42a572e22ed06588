"""From stored sections to a model of one's own: labels, the manifest of the labelled ones, and trainings to follow."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from hcc_scope.datasets.labelled_sections import manifest_of_sections, stores_below
from ui.kit.save_dialog import ask_where
from ui.shell.file_dialogs import choose_folder
from ui.shell.training_dialog import TrainingDialog

if TYPE_CHECKING:
    from hcc_scope.datasets.new_manifest import NewManifest
    from hcc_scope.storage.section_labels import SectionLabel
    from ui.control.app_state import AppState
    from ui.control.replay_focus import ReplayFocus
    from ui.control.section_library import SectionLibrary
    from ui.control.section_setup import SectionSetup
    from ui.kit.jobs import Jobs
    from ui.shell.action_specs import ActionName
    from ui.shell.main_window import MainWindow
    from ui.views import Views

__all__ = ["TrainingPresenter"]

_LABELS: dict[ActionName, SectionLabel] = {"label_low": "low", "label_high": "high", "label_out": "leave out"}


class TrainingPresenter(QObject):
    """Connects the actions about labels, manifests and trainings.

    Parameters
    ----------
    window : MainWindow
    views : Views
    jobs : Jobs
        Reads sections on its worker ``report``: there may be many.
    state : AppState
    setup : SectionSetup
        Knows the folder for sections, where a training is looked for first.
    focus : ReplayFocus
    library : SectionLibrary
        Its folder is the one whose labelled sections are listed.
    """

    def __init__(
        self,
        window: MainWindow,
        views: Views,
        jobs: Jobs,
        state: AppState,
        setup: SectionSetup,
        focus: ReplayFocus,
        library: SectionLibrary,
    ) -> None:
        super().__init__(window)
        self._window, self._views, self._jobs, self._state, self._setup = window, views, jobs, state, setup
        self._focus, self._library = focus, library
        self._followed: dict[Path, TrainingDialog] = {}
        actions = window.actions_
        for name, label in _LABELS.items():
            actions[name].triggered.connect(partial(self._label, label))
        actions["manifest"].triggered.connect(self._ask_manifest)
        actions["training"].triggered.connect(self._ask_training)
        views.replay.label_changed.connect(self._show_label)
        focus.changed.connect(self._show_label)
        window.close_asked.connect(self._close)

    # -- labels --------------------------------------------------------------------------------------------------------

    def _label(self, label: SectionLabel, _down: bool = False) -> None:
        self._show_label()  # down once it is on disk
        self._views.replay.choose_label(label)

    @Slot()
    def _show_label(self) -> None:
        opened = self._views.replay.opened if self._focus.on else None
        for name, label in _LABELS.items():
            self._window.actions_[name].setChecked(opened is not None and opened.label == label)

    # -- the manifest --------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _ask_manifest(self, _down: bool) -> None:
        folder = self._library.folder or self._setup.request.out_dir
        title = f"Write manifest of the labelled sections in {folder}"
        ask_where(
            self._window, title, folder / "manifest.csv", "Manifests (*.csv)", partial(self.write_manifest, folder)
        )

    def write_manifest(self, folder: Path, out: Path) -> None:
        """List the labelled sections of a folder in a new file."""
        self._jobs.submit("report", lambda: manifest_of_sections(stores_below(folder), out), self._written)

    def _written(self, made: NewManifest) -> None:
        sentences = [made.describe(), *(f"Left out: {sentence}" for sentence in made.left_out)]
        sentences += map(str, made.warnings)
        self._state.message.emit("warning" if made.warnings else "info", " ".join(sentences))

    # -- trainings -----------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _ask_training(self, _down: bool) -> None:
        title = "Follow a training (the folder given as --out)"
        choose_folder(self._window, title, self._setup.request.out_dir, self._follow)

    @Slot(str)
    def _follow(self, folder: str) -> None:
        self.follow(Path(folder))

    def follow(self, folder: Path) -> None:
        """Show how far the training or evaluation in a folder is."""
        dialog = self._followed.get(folder)
        if dialog is None:
            dialog = self._followed[folder] = TrainingDialog(folder, self._jobs, self._window.theme, self._window)
            dialog.finished.connect(partial(self._followed_no_more, folder))
        dialog.show()  # not modal: the emergency stop has to stay in reach
        dialog.raise_()
        dialog.activateWindow()

    def _followed_no_more(self, folder: Path, _code: int) -> None:
        self._followed.pop(folder, None)

    @Slot()
    def _close(self) -> None:
        for dialog in list(self._followed.values()):
            dialog.close()
