"""Find models: by name among the shipped ones and the user's own, or by the path of a folder.

A list reads cards alone, as data. It parses no model, and a folder that cannot be used is an entry with a sentence.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from hcc_scope.errors import HccScopeError, ModelError, ModelFormatError
from hcc_scope.inference.card import CARD_FILE, MODEL_FILE, read_card
from hcc_scope.inference.user_cache import known_folder
from hcc_scope.printable import printable
from hcc_scope.resources import models_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hcc_scope.inference.card import ModelCard

__all__ = [
    "MODELS_DIR_VARIABLE",
    "CardCache",
    "ModelEntry",
    "Origin",
    "find_model",
    "folders_in",
    "known_model",
    "list_models",
    "offered",
    "shipped_names",
    "user_models_dir",
]

MODELS_DIR_VARIABLE = "HCC_SCOPE_MODELS_DIR"
"""Environment variable that takes the place of the user's models folder."""
MOST_IN_FOLDER = 200
"""Models of one folder that are listed."""
_LONGEST_TITLE = 80
"""Characters."""
Origin = Literal["shipped", "user", "added"]
"""Travels with the program, lies in the user's models folder, or was added to the list by its path."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of a list, whether or not it can be used."""

    name: str
    """The folder's."""
    folder: Path
    card: ModelCard | None
    problem: str | None
    """Why it cannot be used, as far as its card shows it, or None."""
    origin: Origin = "shipped"
    added_as: Path | None = None
    """What was added to the list: this folder, or one with several models; None unless ``added``."""

    @property
    def title(self) -> str:
        """What people know it by: the card's name, on one line; without a card, the folder's."""
        if self.card is None or self.origin == "shipped":
            return self.name
        return printable(" ".join(self.card.name.split())[:_LONGEST_TITLE]) or self.name

    @property
    def reference(self) -> str:
        """What `find_model` finds it by: the name of a shipped model, else its path."""
        return self.name if self.origin == "shipped" else str(self.folder)


class CardCache:
    """Reads cards as `read_card` does, and one again only if its file has changed. For one thread."""

    def __init__(self) -> None:
        self._cards: dict[Path, tuple[tuple[int, int], ModelCard]] = {}

    def __call__(self, folder: Path) -> ModelCard:
        """Return the card of the model in a folder.

        Raises
        ------
        ModelFormatError
            As `read_card`.
        """
        try:
            state = (folder / CARD_FILE).stat()
        except OSError:
            return read_card(folder)  # states the reason
        found = state.st_mtime_ns, state.st_size
        known = self._cards.get(folder)
        if known is None or known[0] != found:
            known = self._cards[folder] = found, read_card(folder)
        return known[1]


def user_models_dir() -> Path:
    """Return the folder in which a user keeps models, one folder for each; it need not exist.

    The environment variable ``HCC_SCOPE_MODELS_DIR`` names it, or it is in the system's folder for the user's data.
    """
    named = os.environ.get(MODELS_DIR_VARIABLE)
    if named:
        return Path(named).absolute()
    from platformdirs import user_data_path

    return user_data_path("hcc-scope", appauthor=False) / "models"


def shipped_names() -> list[str]:
    """Return the names of the models that travel with the program, sorted; reads no card."""
    return [folder.name for folder in _shipped()]


def list_models(added: Iterable[str | Path] = (), read: Callable[[Path], ModelCard] = read_card) -> list[ModelEntry]:
    """Return the shipped models, those in the user's models folder, and those that were added; each group by name.

    Reads cards only, and parses no model. A folder that is listed twice is one entry.

    Parameters
    ----------
    added : iterable of str or Path
        Folders of models, or folders that hold several. One that is not there any more, or holds no model, is an entry
        with a problem.
    read : callable
        Returns the card of a folder; a `CardCache` where a list is made again and again.
    """
    found = [_Found(folder, "shipped") for folder in _shipped()]
    found += [_Found(folder, "user") for folder in _in_user_folder()]
    for one in map(Path, added):
        found += _added(one)
    unlike: dict[str, _Found] = {}
    for place in found:
        unlike.setdefault(_same(place.folder), place)
    return [place.entry(read) for place in unlike.values()]


def offered(entries: Iterable[ModelEntry], chosen: str = "") -> list[tuple[str, ModelEntry]]:
    """Return the models that can be used with what a list of choices calls each: of two with one title, the folder too.

    Parameters
    ----------
    entries : iterable of ModelEntry
    chosen : str
        Reference of a model that is offered whatever is wrong with it.
    """
    found = [one for one in entries if one.problem is None or one.reference == chosen]
    titles = Counter(one.title for one in found)
    return [
        (one.title if titles[one.title] == 1 or one.origin == "shipped" else f"{one.title} ({one.folder})", one)
        for one in found
    ]


def folders_in(folder: Path) -> list[Path]:
    """Return the folders of the models that a folder is or holds, sorted; empty if there are none.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    if (folder / CARD_FILE).exists():
        return [folder]
    return sorted(filter(_looks_like_model, folder.iterdir()))[:MOST_IN_FOLDER]


def find_model(name_or_path: str | Path) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    name_or_path : str or Path
        The path of a folder with a ``card.yaml``, or the name of a model that travels with the program or lies in the
        user's models folder. Of several with one name, the shipped one, then the one in the working folder. A `Path`
        and a text such as ``./name`` are a path first.

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
    for folder in (*_shipped(), *_in_user_folder(), *([] if remembered is None else [remembered])):
        with suppress(ModelError):
            card = read_card(folder)
            if card.sha256 == sha256:
                found.append((card.name != name, folder))
    return min(found, key=lambda one: one[0])[1] if found else None


def _found(path: Path, name_or_path: str | Path) -> Path:
    if name_or_path in shipped_names():  # no folder takes the place of a shipped model unnoticed
        return models_dir() / path
    if path.is_file():
        raise ModelError(f"{path} is a file", hint=f"Give the model's folder, the one that holds its {CARD_FILE}.")
    if (path / CARD_FILE).is_file():
        return path
    # a bare name only: "../elsewhere" must not be looked up below the models' folders
    if path.name == str(name_or_path):
        for root in (models_dir(), user_models_dir()):
            if (root / path.name).is_dir():
                return root / path.name
    if path.is_dir():
        raise ModelFormatError(f"the model folder {path} has no {CARD_FILE}")
    available = ", ".join(dict.fromkeys(folder.name for folder in (*_shipped(), *_in_user_folder()))) or "none"
    raise ModelError(f"there is no model '{name_or_path}'", hint=f"Available: {available}; or give a folder's path.")


def _shipped() -> list[Path]:
    root = models_dir()
    if not root.is_dir():
        return []
    return sorted(folder for folder in root.iterdir() if (folder / CARD_FILE).is_file())


def _in_user_folder() -> list[Path]:
    """Return the folders of the user's own models; none if the models folder is not there or cannot be read."""
    try:
        return folders_in(user_models_dir())
    except OSError:
        return []


class _Found(NamedTuple):
    """A folder of the list, before its card is read."""

    folder: Path
    origin: Origin
    added_as: Path | None = None
    problem: str | None = None
    """Why there is no card to read."""

    def entry(self, read: Callable[[Path], ModelCard]) -> ModelEntry:
        """Return it with its card, or with what is wrong."""
        folder, card, problem = self.folder, None, self.problem
        if problem is None:
            try:
                card = read(folder)
            except HccScopeError as error:
                problem = str(error)
            except OSError as error:
                problem = f"the model folder {folder} cannot be read: {error.strerror or error}"
        return ModelEntry(folder.name or str(folder), folder, card, problem, self.origin, self.added_as)


def _added(folder: Path) -> list[_Found]:
    """Return the models of a folder that was added to the list, or the folder with why there are none."""
    try:
        folders = folders_in(folder)
    except FileNotFoundError:
        why = f"the folder {folder} is not there any more"
    except OSError as error:
        why = f"the folder {folder} cannot be read: {error.strerror or error}"
    else:
        if folders:
            return [_Found(one, "added", folder) for one in folders]
        why = f"the folder {folder} holds no model: there is no {CARD_FILE} in it"
    return [_Found(folder, "added", folder, why)]


def _looks_like_model(folder: Path) -> bool:
    """Return whether a folder has a card, or an artefact whose card is missing, which is then stated."""
    with suppress(OSError):  # a folder without permission
        return folder.is_dir() and any((folder / name).exists() for name in (CARD_FILE, MODEL_FILE))
    return False


def _same(folder: Path) -> str:
    """Return what all paths of one folder have in common."""
    return os.path.normcase(os.path.realpath(folder))
