"""The desktop app: makes every part once, connects them, and ends them in order.

>>> run_app("demo")  # doctest: +SKIP
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from ui.action_states import ActionStates
from ui.alert_presenter import AlertPresenter
from ui.commands import Commands
from ui.control.app_state import AppState
from ui.control.hand_control import HandControl
from ui.control.model_check import ModelCheck
from ui.control.model_list import ModelList
from ui.control.overview import Overview
from ui.control.plan_preview import PlanPreview
from ui.control.recovery import Recovery
from ui.control.reference_control import ReferenceControl
from ui.control.replay_focus import ReplayFocus
from ui.control.rig_control import RigControl
from ui.control.run_control import RunControl
from ui.control.section_setup import SectionSetup
from ui.control.settings import load_settings, settings_folder
from ui.control.settings_store import SettingsStore
from ui.empty_pages import EmptyPages
from ui.export_presenter import ExportPresenter
from ui.field_presenter import FieldPresenter
from ui.focus_presenter import FocusPresenter
from ui.hand_presenter import HandPresenter
from ui.import_presenter import ImportPresenter
from ui.kit.error_report import describe
from ui.kit.icons import app_icon
from ui.kit.jobs import Jobs
from ui.kit.theme import apply_theme
from ui.library_presenter import LibraryPresenter
from ui.map_presenter import MapPresenter
from ui.models_presenter import ModelsPresenter
from ui.plan_presenter import PlanPresenter
from ui.preview_presenter import PreviewPresenter
from ui.replay_presenter import ReplayPresenter
from ui.resume_presenter import ResumePresenter
from ui.rig_presenter import RigPresenter
from ui.section_presenter import SectionPresenter
from ui.shell.emergency_key import EmergencyKey
from ui.shell.main_window import MainWindow
from ui.shell.messages import MessageQueue
from ui.shell.section_keys import SectionKeys
from ui.shell.system_check import look_around
from ui.shutdown import Shutdown
from ui.training_presenter import TrainingPresenter
from ui.views import Views

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType, TracebackType

    from PySide6.QtCore import QMessageLogContext

    from ui.control.settings import Settings
    from ui.kit.error_report import ErrorReport
    from ui.shell.messages import Message

__all__ = ["NO_DISPLAY_CODE", "App", "run_app"]

NO_DISPLAY_CODE = 2
LOOK_AROUND_MS = 200
"""After the window is shown; then the welcome page lists what is missing."""


@dataclass
class App:
    """The parts of the window, for what looks at them from outside (tests, screenshots)."""

    window: MainWindow
    views: Views
    jobs: Jobs
    state: AppState
    settings_store: SettingsStore
    setup: SectionSetup
    rig: RigControl
    run: RunControl
    references: ReferenceControl
    focus: ReplayFocus
    recovery: Recovery
    presenters: tuple[
        RigPresenter,
        SectionPresenter,
        ReplayPresenter,
        FocusPresenter,
        FieldPresenter,
        PreviewPresenter,
        AlertPresenter,
    ]
    hand: HandPresenter
    library: LibraryPresenter
    models: ModelList
    model_check: ModelCheck
    models_presenter: ModelsPresenter
    commands: Commands
    action_states: ActionStates
    shutdown: Shutdown
    log: MessageQueue
    emergency_key: EmergencyKey
    section_keys: SectionKeys
    training: TrainingPresenter
    imports: ImportPresenter
    export: ExportPresenter
    resumes: ResumePresenter

    @classmethod
    def make(cls, folder: Path | None = None, *, model: Path | None = None, allow_phantom_model: bool = False) -> App:
        """Make everything; a `QApplication` must exist. The window is not shown yet.

        Parameters
        ----------
        folder : Path, optional
            For the settings and the marks of rigs in use; the system's place for them by default.
        model : Path, optional
            A model's folder: it is listed, and chosen for sections.
        allow_phantom_model : bool
            Allow a model trained on phantoms alone to score what may be tissue, live and in Replay.
        """
        folder = settings_folder() if folder is None else folder
        settings, problems = load_settings(folder)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        apply_theme(app, settings.theme)
        jobs = Jobs()
        store = SettingsStore(settings, folder, jobs)
        setup = SectionSetup(store)
        window = MainWindow(settings, setup)
        for part in (jobs, store, setup):
            part.setParent(window)
        state = AppState(jobs, window)
        rig = RigControl(jobs, state, folder / "rigs-in-use", window)
        run = RunControl(jobs, state, rig, window, allow_phantom_model=allow_phantom_model)
        references = ReferenceControl(jobs, rig, window)
        focus, recovery = ReplayFocus(window), Recovery(jobs, state, setup, store, window)
        views = Views(window, jobs, allow_phantom_model=allow_phantom_model)
        preview, overview = PlanPreview(jobs, state, rig, run, setup, window), Overview(jobs, window)
        plans = PlanPresenter(window, views, jobs, state, rig, run, setup, preview, overview)
        on_map = MapPresenter(window, views, state, rig, run, setup, preview, overview, focus)
        presenters = (
            RigPresenter(window, views, jobs, state, rig, run, store, lambda: setup.request),
            SectionPresenter(window, views, jobs, state, run, focus, store),
            ReplayPresenter(window, views, jobs, state, run, focus, store),
            FocusPresenter(window, views, rig, focus),
            FieldPresenter(window, views, state, rig, run, focus),
            PreviewPresenter(window, views, jobs, state, rig, run, setup, references, focus),
            AlertPresenter(window, jobs, state, run, setup, store),
        )
        hand = HandPresenter(window, views, state, rig, run, HandControl(jobs, state, run, window), store)
        export = ExportPresenter(window, views, jobs, state, run, setup, focus)
        models = ModelList(jobs, store, window, first=model)
        library = LibraryPresenter(
            window, views, jobs, state, setup, recovery, store, models, allow_phantom_model=allow_phantom_model
        )
        training = TrainingPresenter(window, views, jobs, state, setup, focus, library.library)
        EmptyPages(window, views, rig, run)
        commands = Commands(window, views, jobs, state, rig, run, setup, focus, store, plans, references)
        resumes = ResumePresenter(window, jobs, state, run, setup, recovery)
        imports = ImportPresenter(window, views, jobs, state, run, setup)
        focus.map_given_back.connect(preview.wanted)
        on_map.map_needed.connect(presenters[1].end_map)
        on_map.map_needed.connect(presenters[2].leave_map)
        check, look = (ModelCheck(models, jobs, state, rig, run, setup, references, window) for _ in range(2))
        look.follow("")
        models_presenter = ModelsPresenter(window, views, jobs, run, setup, models, check, look)
        action_states = ActionStates(window, jobs, state, rig, run, setup, focus, references, check)
        shutdown = Shutdown(window, jobs, state, rig, run, store)
        log = MessageQueue(window.messages)
        logging.getLogger().addHandler(log)
        emergency_key = EmergencyKey(window.actions_["emergency"], window)
        emergency_key.begin()
        keys = SectionKeys(window.actions_, state.message.emit, window)
        keys.begin()
        hand.keys.begin()  # the last filter is asked first
        made = cls(
            window, views, jobs, state, store, setup, rig, run, references, focus, recovery, presenters, hand, library,
            models, check, models_presenter, commands, action_states, shutdown, log, emergency_key, keys, training,
            imports, export, resumes,
        )  # fmt: skip
        made.connect()
        for problem in problems:
            window.messages.say("warning", problem)
        window.settle()
        views.make_room(window.height())
        return made

    def connect(self) -> None:
        """Connect what is reported with where it is read."""
        window = self.window
        self.state.message.connect(window.messages.say)
        self.jobs.error_reported.connect(window.messages.add_error)
        window.messages.added.connect(self._notice)
        self.library.resume_asked.connect(self.resumes.resume_section)
        self.library.continue_asked.connect(self.resumes.continue_section)
        self.library.export_asked.connect(self.export.ask)
        self.settings_store.changed.connect(self._show_recent)
        self._show_recent(self.settings_store.settings)
        self.state.out_dir = self.setup.request.out_dir
        self.setup.folder_changed.connect(self.state.watch_folder)

    def begin(self) -> None:
        """Show the window, then check this computer and look for unfinished sections."""
        self.window.show()
        self.state.begin()
        QTimer.singleShot(LOOK_AROUND_MS, self.window, self._look_around)

    def _look_around(self) -> None:
        look = partial(look_around, self.setup.request.out_dir)
        self.jobs.submit("disk", look, self.window.welcome.set_findings)
        self.models.refresh()
        self.recovery.look()

    def _notice(self, message: Message) -> None:
        """Show a message over the picture, unless it is only for the log."""
        if message.source or message.level == "debug":  # from the log of a library, or of interest to few
            return
        offer = "Details" if message.level == "error" else ""
        self.window.notice.show_notice(
            message.level, message.text, offer, partial(self.window.log.show_message, message) if offer else None
        )

    def _show_recent(self, settings: Settings) -> None:
        self.window.welcome.set_recent(settings.recent_rigs, settings.recent_stores)

    def report_error(self, report: ErrorReport) -> None:
        """Report what went wrong in the window itself; a run is not affected."""
        self.window.messages.add_error(report)

    def end(self) -> tuple[str, ...]:
        """Release everything after the window is closed; return the workers that hang."""
        self.emergency_key.end()
        self.section_keys.end()
        self.hand.keys.end()
        self.library.end()
        self.export.end()
        self.presenters[2].end()
        self.presenters[-1].alerts.end()
        self.state.end()
        left = self.jobs.close()
        logging.getLogger().removeHandler(self.log)
        self.log.stop()
        return left


_opened = threading.Event()
"""Set once Qt has a screen: only what it reports before that explains why there is none."""
_screen_messages: list[str] = []


def run_app(rig: str | None, *, model: Path | None = None, allow_phantom_model: bool = False) -> int:
    """Open the window, on a rig and with a model if they are named, and stay until it is closed.

    Returns
    -------
    int
        The exit code.
    """
    qInstallMessageHandler(_log_qt)
    app = QApplication(sys.argv[:1])
    _opened.set()
    app.setApplicationName("hcc-scope")
    app.setDesktopFileName("hcc-scope")
    app.setWindowIcon(app_icon())
    if sys.platform == "win32":  # else the taskbar shows the icon of Python
        ctypes.windll.shell32.SetCurrentProcessExplicitAppUserModelID("hcc-scope")
    made = App.make(model=model, allow_phantom_model=allow_phantom_model)
    sys.excepthook = partial(_on_bug, made)
    faulthandler.enable()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(_on_signal, made))
    made.begin()
    if rig is not None:
        made.commands.open_rig(rig)
    code = app.exec()
    made.end()
    return code


def _on_bug(made: App, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show a bug of the window, which continues."""
    del kind
    made.report_error(describe(error.with_traceback(trace)))


def _on_signal(made: App, _number: int, _frame: FrameType | None) -> None:
    """Close without a question; the second time without what is still under way."""
    made.shutdown.finish_or_skip_analysis()


def _log_qt(kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
    """Log the messages of Qt. One that ends the program, and that `ui.kit.display` did not find, is one sentence."""
    if kind == QtMsgType.QtFatalMsg:
        reason = " ".join((_screen_messages or [text])[0].split()).rstrip(". ")
        hint = "Every other command of hcc-scope works without it."
        sys.stderr.write(f"Error: the window cannot be opened: {reason}. {hint}\n")
        sys.stderr.flush()
        os._exit(NO_DISPLAY_CODE)
    if kind in (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg) and not _opened.is_set():
        _screen_messages.append(text)  # from the plugin for the screen, which gives the cause
    level = logging.WARNING if kind == QtMsgType.QtCriticalMsg else logging.DEBUG
    logging.getLogger("qt").log(level, text)
