"""Every tile of a section as a row of arrays, and the order in which the gallery shows them. No Qt here.

A section has some ten thousand tiles, and results arrive while the operator looks at them: sorting and filtering are
a few array operations, however many rows there are.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from hcc_scope.types import FrameResult

__all__ = ["Tile", "TileFilter", "TileOrder", "TileTable", "uncertainty"]

_FIRST_CAPACITY = 1024
_FAILED = 2
_OUTCOMES = {"classified": 0, "excluded": 1, "failed": _FAILED}


class TileOrder(enum.Enum):
    """The order of the gallery. The value is its name in the list."""

    NEWEST = "Newest first"
    HIGHEST = "Most likely high first"
    LOWEST = "Most likely low first"
    LEAST_CERTAIN = "Least certain first"
    MOST_UNLIKE = "Most unlike training first"


class TileFilter(enum.Enum):
    """Which tiles the gallery shows. The value is what a person reads."""

    ALL = "All tiles"
    CLASSIFIED = "Classified"
    EXCLUDED = "Excluded"
    NO_TISSUE = "No tissue"
    OUT_OF_FOCUS = "Out of focus"
    SATURATED = "Saturated"
    UNDER_EXPOSED = "Under-exposed"
    UNLIKE_TRAINING = "Unlike training"
    FAILED = "Field failed"
    BY_OPERATOR = "Field excluded by operator"


_FLAG_FILTERS = {
    TileFilter.NO_TISSUE: QualityFlag.NO_TISSUE,
    TileFilter.OUT_OF_FOCUS: QualityFlag.OUT_OF_FOCUS,
    TileFilter.SATURATED: QualityFlag.SATURATED,
    TileFilter.UNDER_EXPOSED: QualityFlag.UNDER_EXPOSED,
    TileFilter.UNLIKE_TRAINING: QualityFlag.UNLIKE_TRAINING,
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of one field."""

    seq: int
    """The field's number."""
    index: int
    """In `TileGrid` order."""
    probability: float | None
    """Calibrated probability of *high*; None where not classified."""
    logit: float | None
    flags: int
    """Bit set of `QualityFlag`."""
    failed: bool
    """The whole field could not be analysed."""
    distance: float | None = None
    """From the model's training tiles; None without a result or from a model that gives none."""


def uncertainty(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Return how near probabilities are to the decision threshold: 1 on it, 0 at the farther end of the scale.

    Examples
    --------
    >>> [round(float(u), 4) for u in uncertainty(np.float32([0.0, 0.4, 1.0]), 0.4)]
    [0.3333, 1.0, 0.0]
    """
    away = np.abs(probabilities - np.float32(threshold)) / np.float32(max(threshold, 1.0 - threshold))
    return np.asarray(1.0 - away, dtype=np.float32)


class TileTable:
    """Grows by a field at a time; a field that is analysed again takes the place of its first result."""

    def __init__(self) -> None:
        self._rows = _Rows.empty(_FIRST_CAPACITY)
        self._n = 0
        self._fields: dict[int, tuple[int, int]] = {}
        """First row and number of rows of each field."""
        self._set_aside: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self._n - sum(self._fields.get(seq, (0, 0))[1] for seq in self._set_aside)

    @property
    def n_fields(self) -> int:
        """How many fields there are."""
        return len(self._fields) - sum(seq in self._fields for seq in self._set_aside)

    def set_aside(self, seqs: Collection[int]) -> None:
        """Leave frames out of what is shown and counted, as another take of the same field counts."""
        self._set_aside = tuple(seqs)

    def add(self, result: FrameResult) -> None:
        """Take the tiles of one field; a field that failed before it was cut has none."""
        n = len(result.probabilities)
        place = self._fields.get(result.seq)
        if place is not None and place[1] == n:
            start = place[0]
        else:  # a field analysed again with another number of tiles does not happen: a run has one grid
            start = self._n
            self._reserve(n)
            self._n += n
            self._fields[result.seq] = (start, n)
        part = slice(start, start + n)
        rows = self._rows
        rows.seq[part] = result.seq
        rows.tile[part] = np.arange(n)
        rows.probability[part] = result.probabilities
        rows.logit[part] = result.logits
        rows.flags[part] = result.flags
        rows.outcome[part] = _OUTCOMES[result.outcome]
        rows.distance[part] = np.nan if result.distances is None else result.distances

    def _reserve(self, n: int) -> None:
        capacity = len(self._rows.seq)
        while capacity < self._n + n:
            capacity *= 2
        if capacity != len(self._rows.seq):
            self._rows = self._rows.grown(capacity, self._n)

    def tile(self, row: int) -> Tile:
        """Return one row's tile.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        if not 0 <= row < self._n:
            raise IndexError(f"there is no tile {row} of {self._n}")
        rows = self._rows
        probability, logit, distance = (float(column[row]) for column in (rows.probability, rows.logit, rows.distance))
        return Tile(
            int(rows.seq[row]),
            int(rows.tile[row]),
            None if np.isnan(probability) else probability,
            None if np.isnan(logit) else logit,
            int(rows.flags[row]),
            failed=bool(rows.outcome[row] == _FAILED),
            distance=None if np.isnan(distance) else distance,
        )

    def row_of(self, seq: int, index: int) -> int | None:
        """Return the row of a tile, or None if it is not there."""
        start, n = self._fields.get(seq, (0, 0))
        return start + index if 0 <= index < n else None

    def chosen(
        self, order: TileOrder, which: TileFilter, threshold: float, excluded: Collection[int] = ()
    ) -> NDArray[np.intp]:
        """Return the rows to show, in order; where the order does not decide, newest first.

        Parameters
        ----------
        order : TileOrder
            Tiles without a probability, or a distance, come last where the order needs one.
        which : TileFilter
        threshold : float
            Of the decision.
        excluded : collection of int
            Fields that the operator excluded.
        """
        table, n = self._rows, self._n
        seq, tile, probability = table.seq[:n], table.tile[:n], table.probability[:n]
        rows = np.flatnonzero(self._masks(excluded)[which]() & self._there())
        key: NDArray[np.float32]
        match order:
            case TileOrder.NEWEST:
                key = np.zeros(len(rows), dtype=np.float32)
            case TileOrder.HIGHEST:
                key = -probability[rows]
            case TileOrder.LOWEST:
                key = probability[rows]
            case TileOrder.LEAST_CERTAIN:
                key = -uncertainty(probability[rows], threshold)
            case TileOrder.MOST_UNLIKE:
                key = -table.distance[:n][rows]
        # the last key counts first; NaN sorts to the end
        return rows[np.lexsort((tile[rows], -seq[rows], key))]

    def counts(self, excluded: Collection[int] = ()) -> dict[TileFilter, int]:
        """Return how many tiles each filter lets through."""
        there = self._there()
        return {which: int(np.count_nonzero(mask() & there)) for which, mask in self._masks(excluded).items()}

    def _there(self) -> NDArray[np.bool_]:
        """Return which rows are not set aside."""
        if not self._set_aside:
            return np.ones(self._n, dtype=np.bool_)
        return ~np.isin(self._rows.seq[: self._n], self._set_aside)

    def _masks(self, excluded: Collection[int]) -> dict[TileFilter, Callable[[], NDArray[np.bool_]]]:
        rows, n = self._rows, self._n
        flags, outcome, probability = rows.flags[:n], rows.outcome[:n], rows.probability[:n]
        masks: dict[TileFilter, Callable[[], NDArray[np.bool_]]] = {
            TileFilter.ALL: lambda: np.ones(n, dtype=np.bool_),
            TileFilter.CLASSIFIED: lambda: np.isfinite(probability) & (flags == 0),
            TileFilter.EXCLUDED: lambda: flags != 0,
            TileFilter.FAILED: lambda: outcome == _FAILED,
            TileFilter.BY_OPERATOR: lambda: np.isin(rows.seq[:n], list(excluded)),
        }
        for which, flag in _FLAG_FILTERS.items():
            masks[which] = lambda bit=flag.value: (flags & bit) != 0  # type: ignore[misc]
        return masks


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns, each as long as there is room."""

    seq: NDArray[np.int64]
    tile: NDArray[np.int32]
    probability: NDArray[np.float32]
    logit: NDArray[np.float32]
    flags: NDArray[np.uint8]
    outcome: NDArray[np.uint8]
    distance: NDArray[np.float32]

    @classmethod
    def empty(cls, capacity: int) -> _Rows:
        return cls(
            np.zeros(capacity, np.int64),
            np.zeros(capacity, np.int32),
            np.zeros(capacity, np.float32),
            np.zeros(capacity, np.float32),
            np.zeros(capacity, np.uint8),
            np.zeros(capacity, np.uint8),
            np.zeros(capacity, np.float32),
        )

    def grown(self, capacity: int, n: int) -> _Rows:
        """Return the first `n` rows with room for `capacity`."""
        new = _Rows.empty(capacity)
        for name in ("seq", "tile", "probability", "logit", "flags", "outcome", "distance"):
            getattr(new, name)[:n] = getattr(self, name)[:n]
        return new
