"""A stored section by hand that goes on: ids, plan, model and engine are those that its store states."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ui.control.section_request import SectionRequest

__all__ = ["request_to_continue"]


def request_to_continue(path: Path, request: SectionRequest) -> SectionRequest:
    """Return a request with what the store at `path` states; reads a disk.

    Parameters
    ----------
    path : Path
    request : SectionRequest
        The present one: the rest is taken from it.

    Raises
    ------
    StoreError
        If the section cannot be continued, or not by hand.
    ModelError
        If the model that classified it is not known here.
    """
    from hcc_scope.runs.continued_section import continuable_store
    from hcc_scope.runs.hand_section import stored_guided
    from hcc_scope.runs.replay import recorded_engine, recorded_model

    store = continuable_store(path)
    guided = stored_guided(store)
    spec = store.spec
    seed = spec.provenance.get("phantom_seed", request.seed if guided is None else guided.seed)
    plan = replace(
        request.plan,
        kind="free" if guided is None else "guided",
        n_fields=request.plan.n_fields if guided is None else guided.n_fields,
    )
    return replace(
        request,
        animal_id=spec.animal_id,
        section_id=spec.section_id,
        out_dir=path.parent,
        plan=plan,
        model=str(recorded_model(store)),
        engine=recorded_engine(store),
        seed=seed if isinstance(seed, int) else request.seed,
        continues=path,
    )
