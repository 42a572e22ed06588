"""A sum of floats that does not depend on the order of its terms."""

from __future__ import annotations

import math

__all__ = ["ExactSum"]


class ExactSum:
    """A sum of floats without rounding until it is read: the order of the terms cannot matter.

    Shewchuk, "Adaptive precision floating-point arithmetic", Discrete Comput. Geom. 18 (1997): the terms are kept as
    numbers that do not overlap, whose sum is exact; `math.fsum` rounds it once.
    """

    def __init__(self) -> None:
        self._partials: list[float] = []

    def add(self, term: float) -> None:
        """Add a term."""
        partials: list[float] = []
        for partial in self._partials:
            large, small = (term, partial) if abs(term) >= abs(partial) else (partial, term)
            total = large + small
            rest = small - (total - large)
            if rest:
                partials.append(rest)
            term = total
        partials.append(term)
        self._partials = partials

    def value(self) -> float:
        """Return the sum, correctly rounded."""
        return math.fsum(self._partials)
