"""Open a microscope, and report it (`hcc_scope.runs.rigs` does the work)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hcc_scope.runs.rigs import OpenRig, attach_rig
from hcc_scope.runs.rigs import open_rig as open_quietly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.cli.console import People

__all__ = ["OpenRig", "attach_rig", "open_rig"]


@contextmanager
def open_rig(rig_or_cfg: str | Path, console: People, *, adapters_dir: Path | None = None) -> Iterator[OpenRig]:
    """Check a rig's configuration, load it, and unload it at the end.

    Parameters
    ----------
    rig_or_cfg : str or Path
        A rig file, a bare .cfg, or the name of a shipped rig.
    console : People
        Shows what is loaded, and the linter's warnings.
    adapters_dir : Path, optional
        Folder of the device adapters; takes the place of the rig file's.

    Raises
    ------
    ConfigError, DeviceError, CameraError
        See `hcc_scope.runs.rigs.open_rig`.
    """
    from hcc_scope.rig.rigfile import load_rig

    console.note(f"Loading the rig {load_rig(rig_or_cfg).config} ...", "dim")
    with open_quietly(rig_or_cfg, lambda text: console.note(text, "yellow"), adapters_dir=adapters_dir) as rig:
        yield rig
