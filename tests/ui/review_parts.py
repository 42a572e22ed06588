"""Shared by the tests of the review tabs: results that are quickly made, and frames that show where they come from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from find import interactive
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QWidget

from hcc_scope.errors import StoreError
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame, FrameResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytestqt.qtbot import QtBot

    from ui.kit.jobs import Jobs

GRID = TileGrid.for_frame((1024, 1024))
"""2 x 2 tiles."""
WAIT_MS = 30_000


def result(seq: int, probabilities: Sequence[float], flags: Sequence[int] | None = None) -> FrameResult:
    """Return a result; tiles with a flag have no probability."""
    p = np.array(probabilities, dtype=np.float32)
    f = np.zeros(len(p), np.uint8) if flags is None else np.array(flags, dtype=np.uint8)
    p[f != 0] = np.nan
    with np.errstate(divide="ignore"):
        logits = np.log(p / (1 - p)).astype(np.float32)
    return FrameResult(seq, "classified" if np.isfinite(p).any() else "excluded", logits, p, f, "torchscript")


def frame(seq: int) -> Frame:
    """Return a frame of 2 x 2 tiles; a pixel is 1000 times its tile's number, plus the frame's, plus texture."""
    pixels = np.zeros((1024, 1024), dtype=np.uint16)
    for tile, view in enumerate(GRID.views(pixels)):
        view[...] = 1000 * (tile + 1) + seq + np.arange(512, dtype=np.uint16) % 7
    pixels.flags.writeable = False
    return Frame(
        seq, pixels, seq, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 10.0, "S1", stage_um=(100.0, 200.0, None),
        pixel_size_um=0.5,
    )  # fmt: skip


class Reader:
    """Reads frames, and remembers which; those beyond `n` are not there."""

    def __init__(self, n: int = 10_000) -> None:
        self.n = n
        self.read: list[int] = []

    def __call__(self, seq: int) -> Frame:
        self.read.append(seq)
        if seq >= self.n:
            raise StoreError(f"There is no frame {seq}")
        return frame(seq)


def wait(qtbot: QtBot, until: Callable[[], bool]) -> None:
    qtbot.waitUntil(until, timeout=WAIT_MS)


def settle(qtbot: QtBot, jobs: Jobs) -> None:
    """Wait until no job waits or runs, and what followed is done."""
    wait(qtbot, lambda: jobs.n_open == 0)


def assert_usable_without_eyes_or_mouse(tab: QWidget) -> None:
    """Every control has a name for screen readers, and gets the keyboard's focus."""
    for control in interactive(tab):
        if not control.isVisibleTo(tab):
            continue
        text = control.text() if isinstance(control, QAbstractButton) else ""
        assert control.accessibleName() or text, control
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, (control, control.accessibleName(), text)
