"""Find models: by name among the shipped ones, or by the path of a folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import ModelError, ModelFormatError
from hcc_scope.inference.card import CARD_FILE, read_card
from hcc_scope.inference.user_cache import known_folder
from hcc_scope.resources import models_dir

if TYPE_CHECKING:
    from hcc_scope.inference.card import ModelCard

__all__ = ["ModelEntry", "find_model", "known_model", "list_models"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model that is there, whether or not it can be used."""

    name: str
    folder: Path
    card: ModelCard | None
    problem: str | None
    """Why the card cannot be read, or None."""


def list_models() -> list[ModelEntry]:
    """Return the models that travel with the program, by name; reads cards only, parses no model."""
    entries = []
    for folder in _model_folders():
        try:
            entries.append(ModelEntry(folder.name, folder, read_card(folder), None))
        except ModelFormatError as error:
            entries.append(ModelEntry(folder.name, folder, None, str(error)))
    return entries


def find_model(name_or_path: str | Path) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    name_or_path : str or Path
        The path of a folder with a ``card.yaml``, or the name of a model that travels with the program.

    Raises
    ------
    ModelError
        If there is no such model; lists those that there are.
    """
    try:
        return _found(Path(name_or_path), name_or_path)
    except OSError as error:  # a folder without permission, a name too long
        raise ModelError(f"the model {name_or_path} cannot be looked at: {error.strerror or error}") from error


def known_model(sha256: str, name: str | None = None) -> Path | None:
    """Return the folder of a model that is known here by the sha256 of its ``model.pt``; None: there is none.

    It is shipped, or this user has loaded it by its path before. A path that another file states
    does not count.

    Parameters
    ----------
    sha256 : str
        Of the artefact.
    name : str, optional
        Chooses among several copies, whose cards may differ.
    """
    remembered = known_folder(sha256)
    found = []
    for folder in (*_model_folders(), *([] if remembered is None else [remembered])):
        with suppress(ModelError):
            card = read_card(folder)
            if card.sha256 == sha256:
                found.append((card.name != name, folder))
    return min(found, key=lambda one: one[0])[1] if found else None


def _found(path: Path, name_or_path: str | Path) -> Path:
    if path.is_file():
        raise ModelError(f"{path} is a file", hint=f"Give the model's folder, the one that holds its {CARD_FILE}.")
    if (path / CARD_FILE).is_file():
        return path
    by_name = models_dir() / str(name_or_path)
    # a bare name only: "../elsewhere" must not be looked up below the models' folder
    if path.name == str(name_or_path) and by_name.is_dir():
        return by_name
    if path.is_dir():
        raise ModelFormatError(f"the model folder {path} has no {CARD_FILE}")
    available = ", ".join(folder.name for folder in _model_folders()) or "none"
    raise ModelError(f"there is no model '{name_or_path}'", hint=f"Available: {available}; or give a folder's path.")


def _model_folders() -> list[Path]:
    root = models_dir()
    if not root.is_dir():
        return []
    return sorted(folder for folder in root.iterdir() if (folder / CARD_FILE).is_file())
