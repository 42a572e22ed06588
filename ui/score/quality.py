"""The quality of the current field: focus, tissue, saturation, light, and whether its tiles resemble the training's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from hcc_scope.formatting import counted, percent, sentence
from hcc_scope.types import QualityFlag
from ui.kit.labels import ValueLabel, grid_margins, heading, quiet_value
from ui.kit.symbols import SymbolBadge
from ui.kit.theme import GRID_PX

if TYPE_CHECKING:
    from hcc_scope.quality import TileQuality
    from hcc_scope.types import FrameResult
    from ui.kit.symbols import Shape

__all__ = ["Judgement", "QualityPanel", "judge"]

_BAD_SHARE = 0.5
"""From this share of affected tiles on, a field is not merely worth a warning."""
_TIPS = {
    "Focus": "Fine detail relative to coarse detail. Judged only where there is tissue.",
    "Tissue": "Share of the field that is textured like tissue; bare glass is smooth.",
    "Saturation": "Pixels at full scale carry no information: lower the exposure (ms) or the gain.",
    "Light": "Mean level as a share of full scale: raise the exposure (ms) or the lamp where it is too dark.",
    "Similarity": "Whether the tiles resemble those that the model was trained on. One that does not (another stain,\n"
    "an artefact, no tissue at all) still gets an answer, which would mean nothing: it is not scored.\n"
    "Of tiles like those of training the model flags a few as well; its card states how many (usually 1 in 100).",
}


class Judgement(NamedTuple):
    """One line of the panel."""

    name: str
    shape: Shape
    words: str


def judge(flags: np.ndarray, quality: TileQuality | None, distances: np.ndarray | None = None) -> tuple[Judgement, ...]:
    """Return the judgements on a field.

    Parameters
    ----------
    flags : (n,) uint8
        Bit set of `QualityFlag` per tile.
    quality : TileQuality or None
        The measured values behind the flags; without them the words do with the flags.
    distances : (n,) float32 or None
        From the model's training tiles, NaN where it was not asked; None if the model measures none.
    """
    n = len(flags)
    if n == 0:
        return tuple(Judgement(name, "unknown", "Not known") for name in _TIPS)
    no_tissue, blurred, saturated, dark, unlike = (
        int(np.count_nonzero(flags & flag.value))
        for flag in (
            QualityFlag.NO_TISSUE,
            QualityFlag.OUT_OF_FOCUS,
            QualityFlag.SATURATED,
            QualityFlag.UNDER_EXPOSED,
            QualityFlag.UNLIKE_TRAINING,
        )
    )
    asked = int(np.count_nonzero((flags == 0) | (flags == QualityFlag.UNLIKE_TRAINING.value)))
    return (
        _focus(n - no_tissue, blurred),
        _tissue(n, no_tissue, quality),
        _saturation(n, saturated, quality),
        _light(n, dark, quality),
        _similarity(asked, unlike, measured=distances is not None),
    )


def _shape(affected: int, n: int) -> Shape:
    if not affected:
        return "good"
    return "bad" if affected >= _BAD_SHARE * n else "warning"


def _tiles(n: int, of: int) -> str:
    return f"all {counted(of, 'tile')}" if n == of > 1 else f"{n} of {counted(of, 'tile')}"


def _focus(with_tissue: int, blurred: int) -> Judgement:
    if not with_tissue:
        return Judgement("Focus", "unknown", "Cannot be judged: no tissue here")
    if not blurred:
        return Judgement("Focus", "good", "Sharp wherever there is tissue")
    return Judgement(
        "Focus", _shape(blurred, with_tissue), f"Out of focus in {_tiles(blurred, with_tissue)} with tissue"
    )


def _tissue(n: int, without: int, quality: TileQuality | None) -> Judgement:
    covered = "" if quality is None else f", {percent(float(quality.tissue_fraction.mean()))} of the area"
    if without == n:
        return Judgement("Tissue", "bad", "None: glass, or far out of focus")
    return Judgement("Tissue", _shape(without, n), f"In {_tiles(n - without, n)}{covered}")


def _saturation(n: int, saturated: int, quality: TileQuality | None) -> Judgement:
    share = None if quality is None else float(quality.saturated_fraction.mean())
    full = "" if not share else f", {percent(share)} of pixels at full scale"
    if saturated:
        return Judgement("Saturation", _shape(saturated, n), f"Too bright in {_tiles(saturated, n)}{full}")
    return Judgement("Saturation", "good", f"Within limits{full}" if full else "None")


def _light(n: int, dark: int, quality: TileQuality | None) -> Judgement:
    level = "" if quality is None else f", mean {percent(float(quality.mean_level.mean()))} of full scale"
    if dark:
        return Judgement("Light", _shape(dark, n), f"Too dark in {_tiles(dark, n)}{level}")
    return Judgement("Light", "good", f"Enough{level}")


def _similarity(asked: int, unlike: int, *, measured: bool) -> Judgement:
    if not asked:
        return Judgement("Similarity", "unknown", "Cannot be judged: no tile was classified")
    if not measured and not unlike:
        return Judgement("Similarity", "unknown", "Not measured by this model")
    if not unlike:
        return Judgement("Similarity", "good", "No tile flagged as unlike training")
    return Judgement("Similarity", _shape(unlike, asked), f"Unlike training: {_tiles(unlike, asked)}")


class QualityPanel(QWidget):
    """Shows the judgements on the newest analysed field."""

    judged = Signal(tuple)
    """The judgements that are shown now (`Judgement`)."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Quality of this field")
        self.setAccessibleName("Quality of the current field")
        self._what = ValueLabel("Outcome of the field")
        self._what.setWordWrap(True)
        layout = QVBoxLayout(self)
        grid_margins(layout)
        layout.addWidget(self._what)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(2, 1)
        self._rows = {}
        top = Qt.AlignmentFlag.AlignTop
        for row, (name, tip) in enumerate(_TIPS.items()):
            badge, title, text = SymbolBadge(), heading(name), quiet_value(name)
            for widget in (title, text):
                widget.setToolTip(tip)
            title.setWordWrap(False)
            title.setContentsMargins(0, 0, GRID_PX, 0)
            text.setForegroundRole(title.foregroundRole())
            grid.addWidget(badge, row, 0, top)
            grid.addWidget(title, row, 1, top)
            grid.addWidget(text, row, 2, top)
            self._rows[name] = (badge, text)
        layout.addLayout(grid)
        layout.addStretch(1)
        self.set_result(None)

    def show_field(self, seq: int, result: FrameResult | None) -> None:
        """Show the quality of one field, which need not be analysed yet."""
        self.set_result(result)
        if result is None:
            self._what.setText(f"Field {seq}: not analysed yet.")

    def set_result(self, result: FrameResult | None, quality: TileQuality | None = None) -> None:
        """Show a field's quality; None for no field yet."""
        if result is None:
            self._what.setText("No field analysed yet.")
            flags, distances = np.zeros(0, np.uint8), None
        else:
            self._what.setText(_what(result))
            flags, distances = result.flags, result.distances
        judgements = judge(flags, quality, distances)
        for name, shape, text in judgements:
            badge, label = self._rows[name]
            badge.show_shape(shape, f"{name}: {text}")
            label.setText(text)
        self.judged.emit(judgements)


def _what(result: FrameResult) -> str:
    n = len(result.flags)
    used = int(np.count_nonzero(np.isfinite(result.probabilities) & (result.flags == 0)))
    match result.outcome:
        case "failed":
            return f"Field {result.seq}: could not be classified. {sentence(result.error or 'the reason is not known')}"
        case "excluded":
            return f"Field {result.seq}: excluded, none of its {counted(n, 'tile')} is usable."
        case "classified":
            return f"Field {result.seq}: {_tiles(used, n)} {'scored' if _unlike(result) else 'classified'}."


def _unlike(result: FrameResult) -> bool:
    """Return whether a tile was classified and yet not scored."""
    return bool((result.flags & QualityFlag.UNLIKE_TRAINING.value).any())
