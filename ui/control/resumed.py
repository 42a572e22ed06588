"""A stored section whose plan goes on: ids, plan, model and engine are those that its store states."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ui.control.section_request import SectionRequest

__all__ = ["request_to_resume"]


def request_to_resume(
    path: Path, request: SectionRequest, retakes: tuple[int, ...] = (), reason: str = ""
) -> tuple[SectionRequest, str]:
    """Return a request with what the store at `path` states, and a sentence on what will be taken; reads a disk.

    Parameters
    ----------
    path : Path
    request : SectionRequest
        The present one: the rest is taken from it.
    retakes : tuple of int
        Fields that are taken again, and nothing else; empty: the plan goes on.
    reason : str
        Why they are.

    Raises
    ------
    StoreError
        If the section cannot be resumed.
    ModelError
        If the model that classified it is not known here.
    """
    from hcc_scope.runs.replay import recorded_engine, recorded_model
    from hcc_scope.runs.resumed_section import resumable_section

    section = resumable_section(path, retakes)
    spec = section.store.spec
    resumed = replace(
        request,
        animal_id=spec.animal_id,
        section_id=spec.section_id,
        out_dir=section.store.path.parent,
        model=str(recorded_model(section.store)),
        engine=recorded_engine(section.store),
        resumes=section.store.path,
        retakes=retakes,
        retake_reason=reason,
    )
    return resumed, section.describe()
