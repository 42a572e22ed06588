"""Find what travels with the program: models and hardware configurations, in a checkout or an installed wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["hardware_configs_dir", "models_dir"]

_PACKAGE = Path(__file__).resolve().parent


def _find(name: str) -> Path:
    """Return the folder `name`: inside the wheel if it was installed, else at the top of the checkout."""
    in_wheel = _PACKAGE / "_data" / name
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / name


def models_dir() -> Path:
    """Return the folder that holds one folder per shipped model."""
    return _find("models")


def hardware_configs_dir() -> Path:
    """Return the folder with Micro-Manager .cfg files and rig files."""
    return _find("hardware_configs")
