"""Shared by the demo and `acquire --phantom`: a phantom section, and the facts that mark it as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.research_use import PHANTOM_SPECIMEN

if TYPE_CHECKING:
    from hcc_scope.phantom import Specimen

__all__ = ["grown", "outline_points", "phantom_facts"]


def grown(specimen: Specimen, um_per_px: float) -> Specimen:
    """Return the specimen, ready to be looked at: growing it takes a second, which no camera should wait for."""
    specimen.render(0.0, 0.0, 0.0, (1, 1), um_per_px)
    return specimen


def outline_points(specimen: Specimen) -> tuple[tuple[float, float], ...]:
    """Return a specimen's outline as a plan takes it."""
    return tuple((float(x), float(y)) for x, y in specimen.outline_um)


def phantom_facts(specimen: Specimen) -> dict[str, str | int]:
    """Return the facts that every store of a phantom must record."""
    return {
        "specimen": PHANTOM_SPECIMEN,
        "phantom_seed": specimen.seed,
        "phantom_class": specimen.tumour_class,
        "phantom_day": str(specimen.day),
    }
