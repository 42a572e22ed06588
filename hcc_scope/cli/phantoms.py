"""What demo and `acquire --phantom` share: fields of a phantom section, and the facts that say it is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.plans import RandomFields

if TYPE_CHECKING:
    from hcc_scope.phantom import Specimen

__all__ = ["grown", "phantom_facts", "phantom_fields"]


def grown(specimen: Specimen, um_per_px: float) -> Specimen:
    """Return the specimen, ready to be looked at: growing it takes a second, which no camera should wait for."""
    specimen.render(0.0, 0.0, 0.0, (1, 1), um_per_px)
    return specimen


def phantom_fields(specimen: Specimen, n_fields: int, seed: int, exposure_ms: float | None = None) -> RandomFields:
    """Return random fields inside a specimen's outline."""
    outline = tuple((float(x), float(y)) for x, y in specimen.outline_um)
    return RandomFields(n_fields=n_fields, seed=seed, outline_um=outline, exposure_ms=exposure_ms)


def phantom_facts(specimen: Specimen) -> dict[str, str | int]:
    """Return what every store of a phantom must say about it."""
    return {
        "specimen": "synthetic phantom, not tissue",
        "phantom_seed": specimen.seed,
        "phantom_class": specimen.tumour_class,
        "phantom_day": str(specimen.day),
    }
