"""``hcc-scope app``: the desktop app."""

from __future__ import annotations

import importlib.util

from hcc_scope.errors import UsageError

__all__ = ["run_desktop_app"]


def run_desktop_app(rig: str | None, *, model: str | None = None, allow_phantom_model: bool = False) -> None:
    """Open the window and stay until it is closed.

    Parameters
    ----------
    rig : str, optional
        The rig to open.
    model : str, optional
        The model to choose: a name, a model's folder, or that of a training run.
    allow_phantom_model : bool
        Allow a model trained on phantoms alone to score what may be tissue.

    Raises
    ------
    UsageError
        If the packages of the desktop app or libraries of the system are not installed, or there is no display.
    ModelError
        If there is no such model, or its card cannot be read.
    SystemExit
        With the window's exit code.
    """
    for package in ("PySide6", "pyqtgraph"):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"the desktop app needs the package {package}, which is not installed",
                hint="Install it with: pip install 'hcc-scope[app]'.",
            )
    folder = None
    if model is not None:
        from hcc_scope.inference.card import read_card
        from hcc_scope.runs.model_folders import model_folder

        folder = model_folder(model)
        read_card(folder)
    from ui.kit.display import check_display, choose_file_dialogs

    check_display()  # before Qt is loaded, which would end the process
    choose_file_dialogs()
    from ui.app import run_app

    raise SystemExit(run_app(rig, model=folder, allow_phantom_model=allow_phantom_model))
