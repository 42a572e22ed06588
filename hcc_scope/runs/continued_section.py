"""A section goes on in its own store: the next day, after a pause that ended the program, or after a crash.

>>> source = section_source(rig.microscope, plan, scoring_model, "M7", "S1")  # doctest: +SKIP
>>> run = continue_section(source, scoring_model, Path("runs/M7_S1.ome.zarr"))  # doctest: +SKIP
>>> report = run.finish()  # doctest: +SKIP
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.protocols import EventfulSource
from hcc_scope.runs.section import check_frames, run_into

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hcc_scope.protocols import FrameSource
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.runs.section import SectionRun
    from hcc_scope.session.bad_fields import BadFieldWatch
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.reopened import ReopenedSection
    from hcc_scope.types import TagValue
    from hcc_scope.workers import StopToken

__all__ = ["continuable_store", "continue_section"]


def continuable_store(path: Path) -> SectionStore:
    """Return the store of a section that is about to be continued; for what is asked before a microscope is opened.

    The whole check comes with `continue_section`. A store whose run never ended is accepted: it is recovered then.

    Raises
    ------
    StoreError
        If there is no store, it is damaged, or another process writes to it.
    """
    from hcc_scope.runs.unfinished import is_written_to
    from hcc_scope.storage.reader import open_store
    from hcc_scope.storage.reopened import refuse_packed

    store = open_store(path)
    refuse_packed(path, store.facts)
    try:
        written = is_written_to(store.path)
    except OSError as error:
        raise StoreError(f"{path} cannot be continued: {error.strerror or error}") from error
    if written:
        raise StoreError(f"{path} is being written by another process", hint="Wait until it has ended.")
    return store


def continue_section(
    source: FrameSource,
    scoring_model: ScoringModel,
    store: Path,
    stop: StopToken | None = None,
    *,
    facts: Mapping[str, TagValue] | None = None,
    prepare: Callable[[ReopenedSection], None] | None = None,
    skipped: int | None = None,
    lost: int | None = None,
    plan_open: bool = False,
    bad_fields: BadFieldWatch | None = None,
) -> SectionRun:
    """Begin to add frames to a section in its own store; one score covers all of them.

    Frames are corrected as the earlier ones, by the references that the store keeps.

    Parameters
    ----------
    source : FrameSource
        Open, and not started. Its first frame has the number of the store's frames.
    scoring_model : ScoringModel
        What classifies: the model and the engine of the first part.
    store : Path
        Of a run that has ended; one that was interrupted is recovered first.
    stop : StopToken, optional
        Ends or pauses the run.
    facts : mapping, optional
        Further provenance of this part.
    prepare : callable, optional
        Takes the reopened store before the first frame, to show the source what is there already.
    skipped, lost, plan_open
        As for `hcc_scope.runs.section.run_into`.
    bad_fields : BadFieldWatch, optional
        Pauses the run after so many bad fields in a row.

    Raises
    ------
    HccScopeError
        If the section cannot be continued (`hcc_scope.storage.reopened.reopen_section`); the store is then as it was.
        What goes wrong later is in the outcome.
    """
    from hcc_scope.storage.reader import open_store
    from hcc_scope.storage.reopened import reopen_section

    with ExitStack() as unused:
        if isinstance(source, EventfulSource):
            unused.callback(source.put_back)
        shading = open_store(store).shading
        spec = replace(source.spec, provenance={**source.spec.provenance, **(facts or {})})
        check_frames(source, scoring_model, shading)
        reopened = reopen_section(store, spec, shading=shading)
        unused.callback(reopened.sink.discard)
        unused.callback(reopened.sink.close)
        if prepare is not None:
            prepare(reopened)
        unused.pop_all()
    return run_into(
        reopened.sink,
        source,
        scoring_model,
        stop=stop,
        shading=shading,
        continued=reopened,
        skipped=skipped,
        lost=lost,
        plan_open=plan_open,
        bad_fields=bad_fields,
    )
