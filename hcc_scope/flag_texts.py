"""The quality flags of a tile as text: for stores, tables, reports and people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FLAG_TEXTS", "FlagText", "describe_flags", "describe_reason_counts", "missed_step", "reason_names"]


class FlagText(NamedTuple):
    """One quality flag as text."""

    key: str
    """In stores, summaries and reports of datasets: the flag's name, lower case."""
    name: str
    """For people, short enough for a legend."""
    meaning: str
    """Half a sentence that explains it."""
    missed_step: str
    """The first step that a tile with this flag alone misses: *classified* or *scored*."""


def _text(flag: QualityFlag, name: str, meaning: str, missed_step: str = "classified") -> tuple[QualityFlag, FlagText]:
    return flag, FlagText(str(flag.name).lower(), name, meaning, missed_step)


FLAG_TEXTS: Mapping[QualityFlag, FlagText] = MappingProxyType(
    dict(
        (
            _text(QualityFlag.NO_TISSUE, "no tissue", "Less of the tile than the limit is textured as tissue is"),
            _text(QualityFlag.OUT_OF_FOCUS, "out of focus", "There is tissue, but its finest detail is missing"),
            _text(QualityFlag.SATURATED, "saturated", "Too many pixels are at the camera's full scale"),
            _text(QualityFlag.UNDER_EXPOSED, "under-exposed", "The tile is too dark to be judged"),
            _text(
                QualityFlag.UNLIKE_TRAINING,
                "unlike training",
                "The model was not trained on anything that looks like it",
                "scored",  # only the model can find it out
            ),
        )
    )
)
"""Every flag as text, in the order of their bits."""

_NAMES_BY_KEY = {text.key: text.name for text in FLAG_TEXTS.values()}
_ORDER = {key: place for place, key in enumerate(_NAMES_BY_KEY)}


def reason_names(flags: int) -> tuple[str, ...]:
    """Return the keys of the flags that are set (`FlagText.key`).

    Examples
    --------
    >>> reason_names(5)
    ('no_tissue', 'saturated')
    """
    return tuple(text.key for flag, text in FLAG_TEXTS.items() if flags & flag.value)


def describe_flags(flags: int) -> str:
    """Return the flags that are set, for people.

    Examples
    --------
    >>> describe_flags(5), describe_flags(0)
    ('no tissue, saturated', '')
    """
    return ", ".join(text.name for flag, text in FLAG_TEXTS.items() if flags & flag.value)


def describe_reason_counts(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return how many tiles have each reason, most frequent first, then in the order of `FLAG_TEXTS`, for people.

    Parameters
    ----------
    counts : mapping
        Tiles by `FlagText.key`, as in `hcc_scope.types.SectionScore.tiles_excluded`. A key that this version does not
        know is shown as it is.

    Examples
    --------
    >>> describe_reason_counts({"saturated": 1, "out_of_focus": 4})
    ('4 out of focus', '1 saturated')
    """
    in_order = sorted(counts.items(), key=lambda item: (-item[1], _ORDER.get(item[0], len(_ORDER)), item[0]))
    return tuple(f"{n:,} {_NAMES_BY_KEY.get(key, key.replace('_', ' '))}" for key, n in in_order if n)


def missed_step(flags: int) -> str:
    """Return the first step that a tile with these flags missed: *classified* or *scored*.

    A tile that is unlike training and has no other flag was classified, and left out of the score.

    Examples
    --------
    >>> missed_step(16), missed_step(17)
    ('scored', 'classified')
    """
    missed = {text.missed_step for flag, text in FLAG_TEXTS.items() if flags & flag.value}
    return "scored" if missed == {"scored"} else "classified"
