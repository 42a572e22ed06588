"""Values kept from one start to the next, in the user's cache folder: losing them costs time, not results."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CACHE_DIR_VARIABLE", "cache_dir", "entries", "known_folder", "remember", "remember_folder"]

CACHE_DIR_VARIABLE = "HCC_SCOPE_CACHE_DIR"
_MOST_FOLDERS = 200


def cache_dir() -> Path:
    """Return the folder that the environment variable ``HCC_SCOPE_CACHE_DIR`` names, or the user's own for caches."""
    named = os.environ.get(CACHE_DIR_VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("hcc-scope", appauthor=False)


def entries(cache: Path) -> dict[str, Any]:
    """Return what is remembered in a file; one that is missing or damaged is an empty one."""
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def remember(cache: Path, key: str, entry: Any) -> None:  # noqa: ANN401 - any JSON value
    """Add an entry to a file; a folder that cannot be written means that nothing is remembered, and no more."""
    _write(cache, {**entries(cache), key: entry})


def remember_folder(sha256: str, folder: Path) -> None:
    """Remember where the user keeps a model, by the sha256 of its ``model.pt``."""
    cache, where = _models(), str(folder.resolve())
    known = entries(cache)
    if known.get(sha256) == where:
        return
    others = {key: value for key, value in known.items() if key != sha256}
    newest = dict(list(others.items())[1 - _MOST_FOLDERS :])
    _write(cache, {**newest, sha256: where})


def known_folder(sha256: str) -> Path | None:
    """Return where this user has loaded a model from by its path, or None; it may have changed since."""
    found = entries(_models()).get(sha256)
    return Path(found) if isinstance(found, str) else None


def _models() -> Path:
    return cache_dir() / "models.json"


def _write(cache: Path, content: Mapping[str, Any]) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        replace_file(cache, json_bytes(content), shared=True)
    except OSError:
        return
