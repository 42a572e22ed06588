"""Where a model lies that a person names: its own folder, a training run's, or a folder with several."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hcc_scope.errors import ModelError
from hcc_scope.inference.card import CARD_FILE
from hcc_scope.inference.catalogue import find_model, folders_in, shipped_names
from hcc_scope.training.config import CONFIG_FILE, MODEL_FOLDER

__all__ = ["folder_to_add", "model_folder"]

CHECKPOINTS = "checkpoints"
"""What a training run has from its beginning, beside its configuration."""


def model_folder(model_or_run: str | Path) -> Path:
    """Return a model's folder, given it, a known model's name, or the folder of a training run.

    Raises
    ------
    ModelError
        If there is no such model, or the training run was not finished.
    """
    path = Path(model_or_run)
    if model_or_run in shipped_names():
        return find_model(model_or_run)
    with suppress(OSError):  # `find_model` reports what cannot be looked at
        if (path / CARD_FILE).is_file():
            return find_model(path)
        if (path / MODEL_FOLDER / CARD_FILE).is_file():
            return path / MODEL_FOLDER
        if (path / CONFIG_FILE).is_file() and (path / CHECKPOINTS).is_dir():
            raise ModelError(
                f"the training run {path} has no model: it was not finished",
                hint=f"'hcc-scope train' with the same manifest, '--out {path}' and '--resume' continues it.",
            )
    return find_model(model_or_run)


def folder_to_add(folder: Path) -> Path:
    """Return what a list of models has to remember of a folder that a person adds to it, as an absolute path.

    Parameters
    ----------
    folder : Path
        A model, a training run, or a folder that holds several models.

    Raises
    ------
    ModelError
        If it holds no model, is an unfinished training run, or cannot be read.
    """
    folder = folder.absolute()
    try:
        if not (folder / CARD_FILE).exists() and not (folder / CONFIG_FILE).is_file() and folders_in(folder):
            return folder
        return model_folder(folder)
    except FileNotFoundError as error:
        raise ModelError(f"the folder {folder} is not there") from error
    except OSError as error:
        raise ModelError(f"the folder {folder} cannot be read: {error.strerror or error}") from error
