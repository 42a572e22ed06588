"""The quality of one field in five judgements: focus, tissue, saturation, light, and likeness to the training tiles.

They rest on the flags and values of `hcc_scope.quality` and on the model's distances, and are the same for a live
picture, a field of a section that is under way, and a stored one. `field_fault` is the rule by which a field counts as
unusable as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from hcc_scope.formatting import counted, format_number, percent, sentence
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from hcc_scope.quality import TileQuality
    from hcc_scope.types import FrameResult

__all__ = [
    "ASPECT_NAMES",
    "ASPECT_TIPS",
    "FAULT_WORDS",
    "Aspect",
    "FieldFault",
    "FieldQuality",
    "Judgement",
    "QualityState",
    "field_fault",
    "judge_result",
    "judge_tiles",
]

Aspect = Literal["focus", "tissue", "saturation", "light", "likeness"]
QualityState = Literal["good", "warning", "bad", "unknown"]
"""``unknown``: it cannot be judged, and the text states why."""
FieldFault = Literal["dark", "saturated", "empty", "blurred"]

ASPECT_NAMES: Mapping[Aspect, str] = MappingProxyType(
    {
        "focus": "Focus",
        "tissue": "Tissue",
        "saturation": "Saturation",
        "light": "Light",
        "likeness": "Similarity",
    }
)
"""The five aspects for people, in the order in which they are shown."""
ASPECT_TIPS: Mapping[Aspect, str] = MappingProxyType(
    {
        "focus": "Fine detail relative to coarse detail. Judged only where there is tissue.",
        "tissue": "Share of the field that is textured like tissue; bare glass is smooth.",
        "saturation": "Pixels at full scale carry no information: lower the exposure (ms) or the gain.\n"
        "Every 4th pixel in y and x is counted.",
        "light": "Mean level as a share of full scale: raise the exposure (ms) or the lamp where it is too dark.",
        "likeness": "Whether the tiles resemble those that the model was trained on. One that does not (another\n"
        "stain, an artefact, no tissue at all) still gets an answer, which would mean nothing: it is not scored.\n"
        "Of tiles like those of training the model flags a few as well; its card states how many\n"
        "(usually 1 in 100).",
    }
)
"""What each aspect is, and what to do about it."""
FAULT_WORDS: Mapping[FieldFault, str] = MappingProxyType(
    {"dark": "too dark", "saturated": "saturated", "empty": "without tissue", "blurred": "out of focus"}
)
"""What a field with a fault is, for people."""

_BAD_SHARE = 0.5
"""From this share of affected tiles on, a field is not merely worth a warning."""
_NO_LIKENESS = "Not measured by this model"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement on one aspect of a field."""

    aspect: Aspect
    state: QualityState
    value: str
    """The measured value, short enough to stand beside an icon; empty where there is none."""
    text: str
    """What it means, for people; begins with a capital letter and has no full stop."""

    @property
    def name(self) -> str:
        """The aspect for people."""
        return ASPECT_NAMES[self.aspect]


@dataclass(frozen=True, slots=True)
class FieldQuality:
    """The judgements on one field or live picture."""

    focus: Judgement
    tissue: Judgement
    saturation: Judgement
    light: Judgement
    likeness: Judgement
    what: str = ""
    """Which picture it is and how many of its tiles are usable, as a sentence; empty if there is none yet."""
    seq: int | None = None
    """The number of the field; None for a live picture, or none."""

    def __iter__(self) -> Iterator[Judgement]:
        """Return the judgements in the order in which they are shown."""
        return iter((self.focus, self.tissue, self.saturation, self.light, self.likeness))

    @classmethod
    def unknown(cls, what: str = "", text: str = "Not known", seq: int | None = None) -> FieldQuality:
        """Return the judgements on nothing: all unknown."""
        focus, tissue, saturation, light, likeness = (Judgement(a, "unknown", "", text) for a in get_args(Aspect))
        return cls(focus, tissue, saturation, light, likeness, what, seq)


def judge_result(
    result: FrameResult, quality: TileQuality | None = None, *, unlike_beyond: float | None = None
) -> FieldQuality:
    """Return the judgements on an analysed field.

    Parameters
    ----------
    result : FrameResult
    quality : TileQuality, optional
        The measured values behind its flags, where they are known.
    unlike_beyond : float, optional
        The model's limit of the distance from its training tiles.
    """
    what = _what(result)
    if result.outcome == "failed":  # its flags state nothing
        return FieldQuality.unknown(what, seq=result.seq)
    judged = judge_tiles(
        result.flags,
        quality,
        result.distances,
        unlike_beyond=unlike_beyond,
        focus=result.focus,
        level=result.level,
        what=what,
    )
    return replace(judged, seq=result.seq)


def judge_tiles(
    flags: NDArray[np.uint8],
    quality: TileQuality | None = None,
    distances: NDArray[np.float32] | None = None,
    *,
    unlike_beyond: float | None = None,
    why_no_likeness: str = "",
    focus: float | None = None,
    level: float | None = None,
    what: str = "",
) -> FieldQuality:
    """Return the judgements on the n tiles of a field.

    Parameters
    ----------
    flags : (n,) uint8
        Bit set of `QualityFlag` per tile.
    quality : TileQuality, optional
        The measured values behind the flags; without them the texts do with the flags.
    distances : (n,) float32, optional
        From the model's training tiles, NaN where it was not asked; None if the model measures none.
    unlike_beyond : float, optional
        The model's limit of that distance.
    why_no_likeness : str
        Why no model was asked, as text; empty if one was.
    focus, level : float, optional
        Means over the usable tiles, where `quality` is not known.
    what : str
        Which picture it is, as a sentence.
    """
    n = len(flags)
    if n == 0:
        return FieldQuality.unknown(what)
    no_tissue, saturated, dark = (
        (flags & flag.value) != 0 for flag in (QualityFlag.NO_TISSUE, QualityFlag.SATURATED, QualityFlag.UNDER_EXPOSED)
    )
    blind = no_tissue & (saturated | dark)
    all_saturated = bool(blind.all()) and int((blind & saturated).sum()) >= _BAD_SHARE * n
    why_blind = "the picture is saturated" if all_saturated else "the picture is too dark" if blind.all() else ""
    sharpness = focus if quality is None else _mean(quality.focus[~no_tissue & ~saturated & ~dark])
    return FieldQuality(
        _focus(flags, no_tissue, sharpness, why_blind),
        _tissue(n, int(no_tissue.sum()), quality, why_blind),
        _saturation(n, int(saturated.sum()), quality),
        _light(
            n,
            int(dark.sum()),
            level if quality is None else float(quality.mean_level.mean()),
            of_all=quality is not None,
            too_bright=all_saturated,
        ),
        _no_likeness(why_no_likeness) if why_no_likeness else _likeness(flags, distances, unlike_beyond),
        what,
    )


def field_fault(flags: NDArray[np.uint8]) -> FieldFault | None:
    """Return why a field cannot be used as a whole; None if it can, at least in part.

    ``dark`` and ``saturated``: half of its tiles or more are; ``empty``: no tile has tissue; ``blurred``: half of the
    tiles with tissue or more are out of focus. Light comes first: without it, tissue and focus cannot be judged.

    Parameters
    ----------
    flags : (n,) uint8
        Bit set of `QualityFlag` per tile.

    Examples
    --------
    >>> field_fault(np.array([1, 1, 1, 1], np.uint8)), field_fault(np.array([2, 2, 0, 1], np.uint8))
    ('empty', 'blurred')
    >>> field_fault(np.array([2, 0, 0, 1], np.uint8))
    """
    n = len(flags)
    if n == 0:
        return None

    def count(flag: QualityFlag) -> int:
        return int(np.count_nonzero(flags & flag.value))

    if count(QualityFlag.UNDER_EXPOSED) >= _BAD_SHARE * n:
        return "dark"
    if count(QualityFlag.SATURATED) >= _BAD_SHARE * n:
        return "saturated"
    with_tissue = n - count(QualityFlag.NO_TISSUE)
    if not with_tissue:
        return "empty"
    return "blurred" if count(QualityFlag.OUT_OF_FOCUS) >= _BAD_SHARE * with_tissue else None


# -- the aspects -------------------------------------------------------------------------------------------------------


def _state(affected: int, n: int) -> QualityState:
    if not affected:
        return "good"
    return "bad" if affected >= _BAD_SHARE * n else "warning"


def _tiles(n: int, of: int) -> str:
    return f"all {counted(of, 'tile')}" if n == of > 1 else f"{n} of {counted(of, 'tile')}"


def _focus(
    flags: NDArray[np.uint8], no_tissue: NDArray[np.bool_], sharpness: float | None, why_blind: str
) -> Judgement:
    if why_blind:
        return Judgement("focus", "unknown", "", f"Cannot be judged: {why_blind}")
    with_tissue = int(np.count_nonzero(~no_tissue))
    if not with_tissue:
        return Judgement("focus", "unknown", "", "Cannot be judged: no tissue here")
    value = "" if sharpness is None else f"{sharpness:.3f}"
    blurred = int(np.count_nonzero(flags & QualityFlag.OUT_OF_FOCUS.value))
    if not blurred:
        return Judgement("focus", "good", value, "Sharp wherever there is tissue")
    text = f"Out of focus in {_tiles(blurred, with_tissue)} with tissue"
    return Judgement("focus", _state(blurred, with_tissue), value, text)


def _tissue(n: int, without: int, quality: TileQuality | None, why_blind: str) -> Judgement:
    if why_blind:
        return Judgement("tissue", "unknown", "", f"Cannot be judged: {why_blind}")
    share = None if quality is None else percent(float(quality.tissue_fraction.mean()))
    value, covered = ("", "") if share is None else (share, f", {share} of the area")
    if without == n:
        return Judgement("tissue", "bad", value, "None: glass, or far out of focus")
    return Judgement("tissue", _state(without, n), value, f"In {_tiles(n - without, n)}{covered}")


def _saturation(n: int, saturated: int, quality: TileQuality | None) -> Judgement:
    share = None if quality is None else float(quality.saturated_fraction.mean())
    value = "" if share is None else percent(share)
    full = "" if not share else f", {value} of pixels at full scale"
    if saturated:
        text = f"Too bright in {_tiles(saturated, n)}{full}"
        return Judgement("saturation", _state(saturated, n), value, text)
    return Judgement("saturation", "good", value, f"Within limits{full}" if full else "None")


def _light(n: int, dark: int, level: float | None, *, of_all: bool, too_bright: bool) -> Judgement:
    value = "" if level is None else percent(level)
    of_tiles = "" if of_all else " in usable tiles"
    mean = "" if level is None else f", mean {value} of full scale{of_tiles}"
    if dark:
        return Judgement("light", _state(dark, n), value, f"Too dark in {_tiles(dark, n)}{mean}")
    if too_bright:
        return Judgement("light", "bad", value, f"Too bright{mean}")
    return Judgement("light", "good", value, f"Enough{mean}")


def _no_likeness(why: str) -> Judgement:
    return Judgement("likeness", "unknown", "", why)


def _likeness(flags: NDArray[np.uint8], distances: NDArray[np.float32] | None, limit: float | None) -> Judgement:
    unlike = int(np.count_nonzero(flags & QualityFlag.UNLIKE_TRAINING.value))
    asked = int(np.count_nonzero((flags == 0) | (flags == QualityFlag.UNLIKE_TRAINING.value)))
    if not asked:
        return _no_likeness("Cannot be judged: no tile was classified")
    if distances is None and not unlike:
        return _no_likeness(_NO_LIKENESS)
    distance = None if distances is None else _median(distances[np.isfinite(distances)])
    value = "" if distance is None else format_number(distance, 2)
    of = "" if limit is None else f", limit {format_number(limit, 2)}"
    median = "" if not value else f"; median distance {value}{of}"
    if not unlike:
        return Judgement("likeness", "good", value, f"No tile flagged as unlike training{median}")
    return Judgement("likeness", _state(unlike, asked), value, f"Unlike training: {_tiles(unlike, asked)}{median}")


def _mean(values: NDArray[np.float32]) -> float | None:
    return float(values.mean(dtype=np.float64)) if values.size else None


def _median(values: NDArray[np.float32]) -> float | None:
    return float(np.median(values)) if values.size else None


def _what(result: FrameResult) -> str:
    n = len(result.flags)
    used = int(np.count_nonzero(np.isfinite(result.probabilities) & (result.flags == 0)))
    match result.outcome:
        case "failed":
            return f"Field {result.seq}: could not be classified. {sentence(result.error or 'the reason is not known')}"
        case "excluded":
            return f"Field {result.seq}: excluded, none of its {counted(n, 'tile')} is usable."
        case "classified":
            unlike = bool((result.flags & QualityFlag.UNLIKE_TRAINING.value).any())  # classified, and yet not scored
            return f"Field {result.seq}: {_tiles(used, n)} {'scored' if unlike else 'classified'}."
