"""``hcc-scope acquire --by-hand --continue STORE``: what the store states, the options need not state again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hcc_scope.cli.options import DEFAULT_MODEL
from hcc_scope.errors import UsageError
from hcc_scope.runs.continued_section import continuable_store
from hcc_scope.runs.hand_section import stored_guided
from hcc_scope.runs.replay import recorded_engine, recorded_model
from hcc_scope.score_rule import WEIGHT_KEY
from hcc_scope.storage.same_section import refuse_another_section

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.cli.acquire_options import AcquireOptions
    from hcc_scope.microscope.hand_guiding import Guided
    from hcc_scope.storage.reader import SectionStore

__all__ = ["continued_options"]


def continued_options(options: AcquireOptions, path: Path) -> tuple[AcquireOptions, SectionStore, Guided | None]:
    """Return the options with what the store at `path` states, the store, and which fields it draws.

    Raises
    ------
    StoreError
        If it cannot be continued, or not with these options.
    UsageError
        If the options choose fields anew.
    ModelError
        If the model that classified it is not known here.
    """
    store = continuable_store(path)
    guided = stored_guided(store)
    if options.guided and guided is None:
        raise UsageError(f"the fields of {path} are chosen freely", hint="Leave out --guided.")
    if guided is not None and options.n_fields not in (None, guided.n_fields):
        raise UsageError(f"{path} draws {guided.n_fields} fields, not {options.n_fields}", hint="Leave out --fields.")
    if options.shading == "none" and store.recorded.provenance.corrected:
        raise UsageError(
            f"the frames of {path} are corrected by a dark and a flat field, and so are later ones",
            hint="Leave out --shading.",
        )
    spec, provenance = store.spec, store.spec.provenance
    animal, section = options.animal_id or spec.animal_id, options.section_id or spec.section_id
    refuse_another_section(path, spec, replace(spec, animal_id=animal, section_id=section))
    seed = provenance.get("phantom_seed", options.seed)
    return (
        replace(
            options,
            animal_id=animal,
            section_id=section,
            guided=guided is not None,
            seed=seed if isinstance(seed, int) else options.seed,
            model_name=str(recorded_model(store)) if options.model_name == DEFAULT_MODEL else options.model_name,
            engine=recorded_engine(store) if options.engine == "auto" else options.engine,
            weight=options.weight or ("tissue" if provenance.get(WEIGHT_KEY) == "tissue" else "field"),
            score_unlike=options.score_unlike or provenance.get("score_unlike") is True,
            allow_phantom_model=options.allow_phantom_model or provenance.get("allow_phantom_model") is True,
        ),
        store,
        None if guided is None else replace(guided, draws_itself=True),
    )
