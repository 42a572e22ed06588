"""Whether a model wants its frames corrected by a dark and a flat field: what its card states, applied in one place.

=============  =======================================  ==========================
card           with a correction                        without
=============  =======================================  ==========================
``required``   corrected                                refused
``accepted``   corrected                                classified as they are
``refused``    classified as they are, with a note      classified as they are
=============  =======================================  ==========================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.errors import ModelMismatchError

if TYPE_CHECKING:
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.reader import SectionStore

__all__ = ["check_wish", "describe_replayed", "refusal_note", "wanted_shading"]


def wanted_shading(card: ModelCard, shading: Shading | None) -> Shading | None:
    """Return the correction that a model gets of the one that there is."""
    return None if card.shading == "refused" else shading


def refusal_note(card: ModelCard, shading: Shading | None) -> str | None:
    """Return a sentence if a correction is there and the model refuses it, else None."""
    if shading is None or card.shading != "refused":
        return None
    return f"The model {card.name} classifies raw frames: its card refuses a correction by dark and flat fields."


def check_wish(card: ModelCard, shading: Shading | None, *, stored: bool = False) -> None:
    """Refuse a model that requires a correction where there is none.

    Parameters
    ----------
    card : ModelCard
    shading : Shading or None
        The correction that there is.
    stored : bool
        Whether the frames are those of a store.

    Raises
    ------
    ModelMismatchError
        If the model requires one.
    """
    if card.shading != "required" or shading is not None:
        return
    if stored:
        raise ModelMismatchError(
            f"the model {card.name} requires frames corrected by dark and flat fields, and this store keeps none",
            hint="Classify it with another model.",
        )
    raise ModelMismatchError(
        f"the model {card.name} requires frames corrected by dark and flat fields, and there are no fresh ones",
        hint="Take them with hcc-scope reference dark and flat, or in the window with Rig > Dark and flat fields.",
    )


def describe_replayed(store: SectionStore, card: ModelCard, *, correct: bool) -> str:
    """Return in a sentence how the frames of a corrected run are classified again.

    Parameters
    ----------
    store : SectionStore
        Of a run that corrected its frames.
    card : ModelCard
        Of the model that classifies them again.
    correct : bool
        Whether a correction is asked for.
    """
    if not correct:
        return "its frames are classified raw, as asked for; the run corrected them by dark and flat fields."
    if card.shading == "refused":
        return f"its frames are classified raw: the card of {card.name} refuses a correction."
    estimated = " (estimated from tissue)" if store.recorded.provenance.shading_estimated else ""
    return f"its frames are corrected by the dark and flat fields{estimated} that the store keeps."
