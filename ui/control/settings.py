"""The settings that the app remembers, in one JSON file in the system's folder for settings.

A broken file never keeps the app from starting. Each key is read on its own: an invalid value is reported, and its
default is used. A file that is no JSON is kept under another name.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_config_dir, user_data_dir
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from hcc_scope.atomic_file import replace_file
from hcc_scope.plans.focusing import NO_FOCUSING, FocusPlan
from hcc_scope.runs.plan_options import DEFAULT_AREA_UM, DEFAULT_FIELDS, DEFAULT_OVERLAP
from hcc_scope.session.bad_fields import PAUSE_AFTER, PAUSE_AFTER_MOST
from ui.kit.mode import ModeName  # noqa: TC001 - pydantic resolves annotations when the class is made
from ui.kit.theme import ThemeName  # noqa: TC001 - likewise

__all__ = [
    "FOLDER_VARIABLE",
    "Contrast",
    "Settings",
    "default_out_dir",
    "load_settings",
    "save_settings",
    "with_recent",
]

FOLDER_VARIABLE = "HCC_SCOPE_SETTINGS_DIR"
"""Environment variable that takes the place of the system's folder for settings."""

MAX_RECENT = 12
_FILE = "settings.json"


class Contrast(BaseModel):
    """How counts are shown for one camera."""

    model_config = ConfigDict(frozen=True)

    low: FiniteFloat
    high: FiniteFloat
    auto: bool = True


class Settings(BaseModel):
    """All settings; frozen, so that a change is a new value."""

    model_config = ConfigDict(frozen=True)

    theme: ThemeName = "dark"
    mode: ModeName = "operator"
    """What the window shows: what a section takes, or all there is."""
    geometry: str = ""
    """Of the main window, as Qt packs it, in base64."""
    layout: str = ""
    """Of docks and tool bars, likewise."""
    recent_rigs: tuple[str, ...] = ()
    """Rig files and names of shipped rigs, newest first."""
    recent_stores: tuple[str, ...] = ()
    out_dir: str = ""
    """The folder for new stores; empty: `default_out_dir`."""
    animal_ids: tuple[str, ...] = ()
    section_ids: tuple[str, ...] = ()
    model: str = ""
    """Name or folder; empty: the first one that is shipped."""
    model_folders: tuple[str, ...] = ()
    """Folders that were added to the list of models: models, or folders that hold several."""
    engine: str = "auto"
    demo_specimen: Literal["low", "high", "none", "hand"] = "high"
    """What the demo camera shows."""
    plan: Literal["random", "grid", "guided", "free", "sequence", "file"] = "random"
    plan_file: str = ""
    n_fields: Annotated[int, Field(ge=1, le=100_000)] = DEFAULT_FIELDS
    n_frames: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    area_um: tuple[Annotated[FiniteFloat, Field(gt=0)], Annotated[FiniteFloat, Field(gt=0)]] = DEFAULT_AREA_UM
    overlap: Annotated[FiniteFloat, Field(ge=0, lt=0.9)] = DEFAULT_OVERLAP
    """Share of a field that neighbours in a grid have in common."""
    focus: FocusPlan = NO_FOCUSING
    """When to focus by the camera's image."""
    shading: Literal["auto", "none"] = "auto"
    """Whether new sections are corrected by fresh dark and flat fields."""
    capture_sound: bool = True
    """Whether a field that is captured by hand is heard."""
    capture_flash: bool = True
    """Whether the border of the picture flashes then."""
    alert_sound: bool = True
    """Whether the end of a section, its pause by itself and its errors are heard."""
    notifications: bool = True
    """Whether the desktop shows them."""
    pause_after: Annotated[int, Field(ge=0, le=PAUSE_AFTER_MOST)] = PAUSE_AFTER
    """After how many bad fields in a row a section pauses; 0: never."""
    prevalence: Annotated[FiniteFloat, Field(ge=0.01, le=0.99), AfterValidator(lambda p: round(p, 2))] | None = None
    """Share of animals that are high, in whole per cent, for predictive values; None: a range is shown."""
    contrast: dict[str, Contrast] = Field(default_factory=dict)
    """By camera."""


def default_out_dir() -> Path:
    """Return the folder for new stores while the operator has chosen none."""
    return Path(user_data_dir("hcc-scope", appauthor=False)) / "sections"


def settings_folder() -> Path:
    """Return the folder of the settings."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else Path(user_config_dir("hcc-scope", appauthor=False))


def with_recent(recent: tuple[str, ...], newest: str) -> tuple[str, ...]:
    """Return a list with the newest entry in front, each entry once."""
    return (newest, *(one for one in recent if one != newest))[:MAX_RECENT]


def load_settings(folder: Path | None = None) -> tuple[Settings, tuple[str, ...]]:
    """Read the settings.

    Returns
    -------
    Settings
        With defaults for what could not be read.
    tuple of str
        What was wrong, as text; empty if nothing was.
    """
    path = (settings_folder() if folder is None else folder) / _FILE
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Settings(), ()
    except (OSError, ValueError, RecursionError) as error:
        return Settings(), (
            f"The settings in {path} cannot be read, so the defaults are used ({error}).{_keep_aside(path)}",
        )
    if not isinstance(content, dict):
        return Settings(), (f"The settings in {path} are no mapping, so the defaults are used.{_keep_aside(path)}",)
    return _salvage(content, path)


def _salvage(content: dict[str, Any], path: Path) -> tuple[Settings, tuple[str, ...]]:
    """Return the valid values of the file, key by key, and what is wrong with the others."""
    kept: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in content.items():
        if key not in Settings.model_fields:
            continue  # of a newer or an older version
        try:
            Settings.model_validate({key: value})
        except ValidationError as error:
            reason = error.errors(include_url=False, include_input=False)[0]["msg"]
            problems.append(f"The setting '{key}' in {path} is not used: {reason}.")
        else:
            kept[key] = value
    return Settings.model_validate(kept), tuple(problems)


def _keep_aside(path: Path) -> str:
    aside = path.with_name(f"{path.stem}-broken-{uuid.uuid4().hex[:6]}{path.suffix}")
    try:
        path.rename(aside)
    except OSError:
        return ""
    return f" The broken file is kept as {aside.name}."


def save_settings(settings: Settings, folder: Path | None = None) -> None:
    """Write the settings, whole or not at all.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    path = (settings_folder() if folder is None else folder) / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, settings.model_dump_json(indent=2).encode(), shared=True)
