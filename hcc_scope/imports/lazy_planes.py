"""Planes that are described when they are asked for, and what is wrong with a file, each sentence once.

A dataset may hold a million images with several kilobytes of metadata each: `LazyPlanes` keeps none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.imports.collection import Plane

__all__ = ["LazyPlanes", "Problems"]

_MOST_PROBLEMS = 100


class LazyPlanes(Sequence["Plane"]):
    """Planes that are made on each access and not kept.

    Parameters
    ----------
    n : int
        How many there are.
    describe : callable
        Returns the plane of an index from 0 to `n` - 1.
    """

    def __init__(self, n: int, describe: Callable[[int], Plane]) -> None:
        self._n = n
        self._describe = describe

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, index: int) -> Plane: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Plane]: ...
    def __getitem__(self, index: int | slice) -> Plane | Sequence[Plane]:
        if isinstance(index, slice):
            return [self._describe(i) for i in range(*index.indices(self._n))]
        return self._describe(range(self._n)[index])


class Problems(Sequence[str]):
    """Sentences about what is damaged or missing: each is kept once, and of many the first 100."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}
        self._n_left_out = 0

    def add(self, sentence: str) -> None:
        """Keep a sentence, or count it where there are too many."""
        if sentence in self._sentences:
            return
        if len(self._sentences) < _MOST_PROBLEMS:
            self._sentences[sentence] = None
        else:
            self._n_left_out += 1

    def _all(self) -> list[str]:
        more = [f"{self._n_left_out} more of the kind"] if self._n_left_out else []
        return [*self._sentences, *more]

    def __len__(self) -> int:
        return len(self._sentences) + bool(self._n_left_out)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._all()[index]
