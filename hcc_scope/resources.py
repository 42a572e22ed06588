"""Find the files that the program needs beside its code: models, hardware configurations; in a checkout or a wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["checkout_dir", "hardware_configs_dir", "models_dir"]

_PACKAGE = Path(__file__).resolve().parent


def _find(name: str) -> Path:
    """Return the folder `name`: inside the wheel if it was installed, else at the top of the checkout."""
    in_wheel = _PACKAGE / "_data" / name
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / name


def checkout_dir() -> Path | None:
    """Return the top folder of the checkout that this package is part of; None if it was installed from a wheel."""
    return None if (_PACKAGE / "_data").is_dir() else _PACKAGE.parent


def models_dir() -> Path:
    """Return the folder that holds one folder per shipped model."""
    return _find("models")


def hardware_configs_dir() -> Path:
    """Return the folder with Micro-Manager .cfg files and rig files."""
    return _find("hardware_configs")
