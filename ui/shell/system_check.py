"""What a computer has and lacks for this program, for the welcome page: the quick checks of `hcc_scope.doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.doctor.computer import cuda, micro_manager, models, openvino
from hcc_scope.doctor.disk import room

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.doctor.results import Result

__all__ = ["look_around"]


def look_around(out_dir: Path) -> list[Result]:
    """Return what is there and what is missing; touches no device, and imports nothing heavy."""
    card = cuda()
    return [micro_manager(), models(), openvino(), room(out_dir), *([] if card is None else [card])]
