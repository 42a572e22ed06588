"""Classify several stored sections again with one model, which is loaded once; `ReclassificationOfMany.run` blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import counted, sentence
from hcc_scope.progress import Progress
from hcc_scope.runs.reclassify import Reclassification
from hcc_scope.score_text import describe_score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.runs.section_analyses import SectionAnalysis

__all__ = ["ReclassificationOfMany", "Reclassified", "describe_reclassified"]

_STAGE = "classify"


@dataclass(frozen=True, slots=True)
class Reclassified:
    """What became of one section."""

    path: Path
    analysis: SectionAnalysis | None
    """None with an `error`, and if it was cancelled before the first field."""
    error: HccScopeError | None = None
    """Why the section could not be classified."""

    def describe(self) -> str:
        """Return one sentence."""
        name = self.path.name
        if self.error is not None:
            return f"{name}: {sentence(str(self.error))}"
        if self.analysis is None:
            return f"{name}: cancelled."
        return " ".join(filter(None, (f"{name}: {sentence(describe_score(self.analysis.score))}", self.analysis.note)))


class ReclassificationOfMany:
    """One model over several stores, one after the other; the predictions are kept in each of them.

    Parameters
    ----------
    stores : sequence of Path
    model : str
        Name or folder.
    engine : str
        Name of an engine, or ``"auto"``.
    save_as : str
        Name under which the predictions are kept; a store that has predictions of that name is left as it is.
    allow_phantom_model : bool
        Let a model that was trained on a phantom only classify what may be tissue.
    """

    def __init__(
        self, stores: Sequence[Path], *, model: str, engine: str, save_as: str, allow_phantom_model: bool = False
    ) -> None:
        self._tasks = [
            Reclassification(
                store,
                model=model,
                engine=engine,
                title=f"Saved {save_as}",
                save_as=save_as,
                allow_phantom_model=allow_phantom_model,
            )
            for store in stores
        ]
        self._stores = list(stores)
        self._save_as = save_as
        self._n_done = 0
        self._cancelled = False

    def cancel(self) -> None:
        """End early; from any thread. What is classified until then stays."""
        self._cancelled = True
        for task in self._tasks:
            task.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether it ends early; from any thread."""
        return self._cancelled

    def progress(self) -> Progress:
        """Return how many sections are done, in thousandths, and what is going on; from any thread."""
        n, total = min(self._n_done, len(self._tasks) - 1), len(self._tasks)
        now = self._tasks[n].progress()
        share = now.done / now.total if now.total else 0.0
        done = total if self._n_done == total else n + share
        return Progress(_STAGE, round(1000 * done), 1000 * total, f"Section {n + 1} of {total}: {now.message}")

    def run(self) -> list[Reclassified]:
        """Classify all sections; one that cannot be classified does not keep the others from it.

        Raises
        ------
        ModelError
            If the model or the engine cannot be used at all.
        IdError
            If the predictions cannot be kept under that name.
        """
        from hcc_scope.storage.naming import check_id

        first = self._tasks[0]
        check_id(self._save_as, "name of the predictions")
        scoring_model = first.load_model()
        found = []
        for store, task in zip(self._stores, self._tasks, strict=True):
            try:
                found.append(Reclassified(store, None if self._cancelled else task.run(scoring_model)))
            except HccScopeError as error:
                found.append(Reclassified(store, None, error))
            self._n_done += 1
        return found


def describe_reclassified(found: Sequence[Reclassified]) -> str:
    """Return how many sections were classified, and how many were not, as a sentence."""
    n_done = sum(one.analysis is not None for one in found)
    n_failed = sum(one.error is not None for one in found)
    parts = [f"{counted(n_done, 'section')} classified again"]
    if n_failed:
        parts.append(f"{n_failed} could not be classified")
    if n_left := len(found) - n_done - n_failed:
        parts.append(f"{n_left} cancelled")
    return sentence(", ".join(parts))
