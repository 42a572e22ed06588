"""The sentences that stand wherever a score is shown."""

__all__ = ["PHANTOM_SENTENCE", "RESEARCH_USE_ONLY", "research_use"]

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."
PHANTOM_SENTENCE = "The model was trained on a synthetic phantom only: on tissue its scores mean nothing."
"""In red where the specimen is not known to be a phantom."""


def research_use(trained_on: str | None) -> str:
    """Return the research-use line with what the model was trained on.

    Parameters
    ----------
    trained_on : str or None
        As a model's card has it (`hcc_scope.inference.card.ModelCard.trained_on`), and a store's provenance after it
        (``model_trained_on``); None if nothing is known.
    """
    if trained_on is None:
        return RESEARCH_USE_ONLY
    return f"{RESEARCH_USE_ONLY} The model was trained on {trained_on}."
