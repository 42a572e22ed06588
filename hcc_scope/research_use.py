"""The research-use sentence, the warning in red beside a score without meaning, and when that warning applies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PHANTOM_SENTENCE",
    "PHANTOM_SPECIMEN",
    "PHANTOM_TRAINING",
    "RESEARCH_USE",
    "RESEARCH_USE_ONLY",
    "SpecimenKind",
    "phantom_alarm",
    "research_use",
    "specimen_kind",
]

RESEARCH_USE = "Research use only"
"""Its first words, for sentences that go on."""
RESEARCH_USE_ONLY = f"{RESEARCH_USE}. Not for diagnosis."
PHANTOM_TRAINING = "a synthetic phantom, not on tissue"
"""In cards and stores: what a model was trained on that has seen no tissue."""
PHANTOM_SENTENCE = "The model was trained on a synthetic phantom only: on tissue its scores mean nothing."
"""In red where the specimen is not known to be a phantom."""

PHANTOM_SPECIMEN = "synthetic phantom, not tissue"
"""In the provenance of a section whose phantom a run has painted."""

SpecimenKind = Literal["phantom", "simulated", "unknown"]
_PHANTOMS = frozenset({PHANTOM_SPECIMEN, "phantom"})
"""The specimen in the stores of a phantom (`hcc_scope.runs.phantoms`, `hcc_scope.datasets.cohort`)."""
_SIMULATED = frozenset({"DemoCamera", "SequenceTester"})
"""Micro-Manager's adapters of cameras that see no specimen."""
_LONGEST = 200
"""Characters of what a card states about its training."""


def research_use(trained_on: object) -> str:
    """Return the research-use line with what the model was trained on.

    Parameters
    ----------
    trained_on : str or None
        As a model's card has it (`hcc_scope.inference.card.ModelCard.trained_on`), and a store's provenance after it
        (``model_trained_on``). Anything but a text counts as unknown.
    """
    if not isinstance(trained_on, str) or not trained_on.strip():
        return RESEARCH_USE_ONLY
    return f"{RESEARCH_USE_ONLY} The model was trained on {trained_on.strip().rstrip('.')[:_LONGEST]}."


def specimen_kind(provenance: Mapping[str, object]) -> SpecimenKind:
    """Return the kind of a section's specimen, as far as its provenance shows it.

    ``phantom``: the run painted one, and recorded that. ``simulated``: a demo camera's pattern. ``unknown``: it may be
    tissue, as everything that a real camera sees, and every image that was imported.
    """
    specimen, library = provenance.get("specimen"), provenance.get("camera_library")
    if isinstance(specimen, str) and specimen in _PHANTOMS:
        return "phantom"
    return "simulated" if isinstance(library, str) and library in _SIMULATED else "unknown"


def phantom_alarm(trained_on: object, provenance: Mapping[str, object]) -> str:
    """Return `PHANTOM_SENTENCE` if a model was trained on a phantom only and a section may be tissue; else nothing.

    Parameters
    ----------
    trained_on : str or None
        As for `research_use`.
    provenance : mapping
        Of the section.
    """
    return PHANTOM_SENTENCE if trained_on == PHANTOM_TRAINING and specimen_kind(provenance) == "unknown" else ""
