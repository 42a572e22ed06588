"""What a computer has and lacks for this program, for the welcome page: the quick checks of `hcc_scope.doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.doctor.computer import cuda, micro_manager, models, openvino
from hcc_scope.doctor.disk import room
from hcc_scope.errors import HccScopeError

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.doctor.results import Result

__all__ = ["look_around", "models_to_choose"]


def look_around(out_dir: Path) -> list[Result]:
    """Return what is there and what is missing; touches no device, and imports nothing heavy."""
    card = cuda()
    return [micro_manager(), models(), openvino(), room(out_dir), *([] if card is None else [card])]


def models_to_choose() -> list[tuple[str, str, str]]:
    """Return name, folder and a sentence of each usable model that travels with the program."""
    from hcc_scope.inference.catalogue import list_models

    try:
        entries = list_models()
    except HccScopeError:
        return []
    return [
        (entry.name, entry.name, entry.card.intended_use if entry.card is not None else "")
        for entry in entries
        if entry.problem is None
    ]
