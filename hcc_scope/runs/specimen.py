"""Decide whether a model may score a specimen: one trained on phantoms alone may not score possible tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import ModelMismatchError
from hcc_scope.research_use import PHANTOM_SENTENCE, SpecimenKind
from hcc_scope.research_use import specimen_kind as kind_of

if TYPE_CHECKING:
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.types import RunSpec

__all__ = ["SpecimenKind", "check_specimen", "needs_override", "specimen_kind"]


def specimen_kind(spec: RunSpec) -> SpecimenKind:
    """Return what is known of a section's specimen (`hcc_scope.research_use.specimen_kind`)."""
    return kind_of(spec.provenance)


def needs_override(card: ModelCard, spec: RunSpec) -> bool:
    """Return whether a model was trained on a phantom only and a section may be tissue."""
    return card.trained_on_phantom_only and specimen_kind(spec) == "unknown"


def check_specimen(card: ModelCard, spec: RunSpec, *, allow_phantom_model: bool) -> None:
    """Refuse to score what may be tissue with a model that knows a phantom only.

    Parameters
    ----------
    card : ModelCard
        The model's.
    spec : RunSpec
        The section's.
    allow_phantom_model : bool
        Whether a person has allowed it.

    Raises
    ------
    ModelMismatchError
        If the model knows phantoms alone, the section may be tissue, and it was not allowed.
    """
    if needs_override(card, spec) and not allow_phantom_model:
        sentence = PHANTOM_SENTENCE.rstrip(".").replace("The model", f"the model {card.name}", 1)
        which = f"section {spec.section_id} of {spec.animal_id}" if spec.section_id else "this specimen"
        raise ModelMismatchError(
            f"{sentence}, and {which} is not known to be a phantom",
            hint="Choose a model trained on tissue, or add --allow-phantom-model to the command (or to hcc-scope app).",
        )
