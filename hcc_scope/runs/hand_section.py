"""A section whose stage is moved by hand: its fields are captured as the operator goes, and scored at once.

>>> source = hand_source(rig.microscope, scoring_model, "M7", "S1")  # doctest: +SKIP
>>> run = start_hand_section(source, scoring_model, Path("runs"))  # doctest: +SKIP
>>> run.hand.view(), run.undo()  # doctest: +SKIP
>>> run.section.session.stop()  # doctest: +SKIP
>>> report = run.finish()  # doctest: +SKIP
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.by_hand.words import UNDONE
from hcc_scope.errors import StoreError
from hcc_scope.runs.continued_section import continue_section
from hcc_scope.runs.phantoms import phantom_facts
from hcc_scope.runs.section import start_section
from hcc_scope.score_text import SAMPLING_TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.by_hand import CaptureRules, HandCommands
    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.microscope.hand_operator import HandOperator
    from hcc_scope.microscope.hand_source import Guided, HandSource
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.phantom import Specimen
    from hcc_scope.plans.drawn_sample import DrawnSample
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.section import SectionRun
    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.reopened import ReopenedSection
    from hcc_scope.tracking.mosaic import SeenMosaic
    from hcc_scope.types import TagValue
    from hcc_scope.workers import StopToken

__all__ = ["HandRun", "continue_hand_section", "hand_source", "start_hand_section", "stored_guided"]


@dataclass(frozen=True, slots=True)
class HandRun:
    """A section by hand that has been started."""

    section: SectionRun
    source: HandSource

    @property
    def hand(self) -> HandCommands:
        """What the operator sees and can ask for."""
        return self.source

    @property
    def sample(self) -> DrawnSample | None:
        """The drawn fields of a guided section and what became of them; None before they are drawn."""
        return self.source.sample

    @property
    def mosaic(self) -> SeenMosaic:
        """Everything that was seen so far, captured or not."""
        return self.source.mosaic

    def undo(self) -> int | None:
        """Take the last capture back: it is excluded from the score, durably, and its place may be captured again.

        Returns
        -------
        int or None
            The number of its frame, which stays in the store; None if nothing is left to undo.

        Raises
        ------
        StoreError
            If it cannot be written down; nothing has changed then.
        """
        return self.source.undo(lambda seq: self.section.session.exclude(seq, UNDONE))

    def finish(self) -> SectionReport:
        """Wait for the run to end, and return how it did; does not ask it to end (`Session.stop`)."""
        return self.section.finish()


def hand_source(
    microscope: MicroManager,
    scoring_model: ScoringModel,
    animal_id: str,
    section_id: str,
    *,
    rules: CaptureRules | None = None,
    exposure_ms: float | None = None,
    guided: Guided | None = None,
    specimen: Specimen | None = None,
    scene: Scene | None = None,
    operator: HandOperator | None = None,
    end_after: int | None = None,
) -> HandSource:
    """Return the frames of a section by hand, with what its store has to know to be scored again.

    Parameters
    ----------
    microscope : MicroManager
        Ready.
    scoring_model : ScoringModel
        What will classify them.
    animal_id, section_id : str
        Checked (`hcc_scope.storage.naming.check_id`).
    rules : CaptureRules, optional
        When a field is captured; the rig file's without it.
    exposure_ms : float, optional
        As the camera is set, if not given.
    guided : Guided, optional
        Visit random fields; without it fields are chosen freely.
    specimen : Specimen, optional
        The phantom that `scene` shows.
    scene : Scene, optional
        What the demo camera shows; the specimen in focus, without it.
    operator : HandOperator, optional
        Moves the demo rig's specimen in place of a person.
    end_after : int, optional
        The section ends by itself after so many captured fields, or a guided one after its last drawn field.

    Raises
    ------
    HccScopeError
        If the section cannot be acquired on this rig.
    """
    from hcc_scope.microscope.hand_source import HandSource
    from hcc_scope.microscope.phantom_scene import PhantomScene
    from hcc_scope.microscope.section_ends import abandon_section

    card = scoring_model.model.card
    if scene is None and specimen is not None:
        scene = PhantomScene(specimen)
    with ExitStack() as refused:
        refused.callback(abandon_section, microscope)
        source = HandSource(
            microscope,
            rules=rules,
            animal_id=animal_id,
            section_id=section_id,
            tile_px=card.tile_px,
            exposure_ms=exposure_ms,
            guided=guided,
            model_sha256=card.sha256,
            provenance={**scoring_model.facts, **({} if specimen is None else phantom_facts(specimen))},
            scene=scene,
            operator=operator,
            end_after=end_after,
        )
        refused.pop_all()
    return source


def start_hand_section(
    source: HandSource,
    scoring_model: ScoringModel,
    out_dir: Path,
    stop: StopToken | None = None,
    shading: Shading | None = None,
    facts: Mapping[str, TagValue] | None = None,
) -> HandRun:
    """Make a store below `out_dir` and begin to capture fields into it; parameters and errors of `start_section`.

    A section by hand has no planned end: `Session.stop` ends it, or the simulated operator.
    """
    section = start_section(source, scoring_model, out_dir, stop, shading=shading, facts=facts)
    return HandRun(section, source)


def stored_guided(store: SectionStore) -> Guided | None:
    """Return how many fields a stored section by hand draws, and from which seed; None if fields are chosen freely.

    Raises
    ------
    StoreError
        If the section was not made by hand.
    """
    from hcc_scope.microscope.hand_guiding import Guided

    found = store.spec.provenance
    n, seed = found.get("drawn_fields"), found.get("drawn_seed")
    if store.spec.sampling == "guided" and isinstance(n, int) and isinstance(seed, int):
        return Guided(n, seed)
    if store.spec.sampling != "chosen":
        raise StoreError(
            f"{store.path} cannot be continued by hand: its fields are {SAMPLING_TEXTS[store.spec.sampling]}",
            hint="Start a new section.",
        )
    return None


def continue_hand_section(
    source: HandSource,
    scoring_model: ScoringModel,
    store: Path,
    stop: StopToken | None = None,
    facts: Mapping[str, TagValue] | None = None,
) -> HandRun:
    """Begin to capture further fields of a section in its own store; parameters and errors of `continue_section`.

    The fields that are there are known again: their place is not captured twice, and a section that lies as before is
    recognised when the field comes over one of them. A guided section visits what is left of its drawn fields.
    """
    section = continue_section(source, scoring_model, store, stop, facts=facts, prepare=partial(_show_before, source))
    return HandRun(section, source)


def _show_before(source: HandSource, reopened: ReopenedSection) -> None:
    from hcc_scope.microscope.hand_before import HandBefore
    from hcc_scope.storage.drawn_sample import stored_sample
    from hcc_scope.storage.notes import excluded_fields, read_notes

    earlier = reopened.earlier
    frames = (frame for frame in earlier.read_ahead(range(earlier.n_frames), 1) if not isinstance(frame, Exception))
    undone = [seq for seq, why in excluded_fields(read_notes(earlier.path)).items() if why == UNDONE]
    sample = stored_sample(earlier.path, earlier.journal) if earlier.spec.sampling == "guided" else None
    source.go_on(HandBefore(earlier.n_frames, frames, undone, sample))
