"""Export stored sections for other programs, in one or several kinds each; `SectionExport.run` blocks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError, UsageError, from_os_error
from hcc_scope.exports.kinds import PREDICTIONS_OPTION, kinds_named, options_of
from hcc_scope.exports.target import check_target, export_name
from hcc_scope.formatting import counted, sentence
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.naming import with_own_name
from hcc_scope.storage.place import RemotePath, place_of
from hcc_scope.storage.under_way import why_incomplete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hcc_scope.exports.kinds import ExportKind
    from hcc_scope.exports.outcome import ExportOutcome
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.place import StorePlace

__all__ = ["ExportedSection", "SectionExport", "describe_exported"]


_AS_STORED = "what was stored until now is exported"
_LOOK_AGAIN_S = 0.2
"""While it is held: so long a wish to cancel may go unnoticed."""


class _Cancelled(Exception):  # noqa: N818 - a signal, not an error
    """Leaves an export that was cancelled; what was half-made is removed on the way."""


@dataclass(frozen=True, slots=True)
class ExportedSection:
    """What became of one section in one kind."""

    store: StorePlace
    kind: ExportKind
    target: Path
    outcome: ExportOutcome | None = None
    """None with an `error`, and if it was cancelled."""
    error: HccScopeError | None = None
    """Why it could not be exported."""

    def describe(self) -> str:
        """Return what was written, or why nothing was, in sentences."""
        if self.error is not None:
            return f"{self.target.name}: {sentence(str(self.error))}"
        if self.outcome is None:
            return f"{self.target.name}: cancelled."
        return " ".join((self.outcome.describe(), *map(sentence, self.outcome.left_out)))


class SectionExport:
    """Some sections in some kinds, one after the other; one that fails does not keep the others from it.

    Parameters
    ----------
    stores : sequence of Path
    kinds : sequence of str
        Their names.
    out_dir : Path, optional
        Where to; beside each store by default. Made if it is not there.
    options : mapping, optional
        Values of the kinds' options, by name.
    on_progress : callable
        Takes each step.

    Raises
    ------
    UsageError
        If there is no such kind or option, two of the sections would have one name, or one is on object storage and
        there is no `out_dir`.
    """

    def __init__(
        self,
        stores: Sequence[Path],
        kinds: Sequence[str],
        *,
        out_dir: Path | None = None,
        options: Mapping[str, str] | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> None:
        chosen = kinds_named(kinds)
        self._options = options_of(chosen, options or {})
        self._on_progress = on_progress
        self._cancelled = False
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._step = Progress("export", 0, 0)
        self._reported: set[StorePlace] = set()
        """Sections of which it is stated that their runs have not ended."""
        named = list(dict.fromkeys(with_own_name(place_of(store)) for store in stores))
        self.planned = [
            ExportedSection(
                store, kind, (_beside(store) if out_dir is None else out_dir) / export_name(store, self._ending(kind))
            )
            for store in named
            for kind in chosen
        ]
        self._n_done = 0
        _refuse_one_name([one.target for one in self.planned])

    def _ending(self, kind: ExportKind) -> str:
        """Return what follows the section's name: two analyses of a section are two files."""
        name = self._options[PREDICTIONS_OPTION.name] if PREDICTIONS_OPTION in kind.options else ""
        return f"-{name}{kind.ending}" if name else kind.ending

    def check(self) -> None:
        """Refuse what cannot be written, before anything is; looks at the disk.

        Raises
        ------
        StoreExistsError, StoreUnwritableError, DiskFullError, UsageError
            If a name is taken, or nothing can be written there.
        """
        for one in self.planned:
            check_target(one.target, 0)

    def cancel(self) -> None:
        """End early; from any thread. What is whole by then stays."""
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        """Whether it ends early; from any thread."""
        return self._cancelled

    def hold(self) -> None:
        """Wait at the next step, while a section needs the disk; from any thread."""
        self._may_go_on.clear()

    def go_on(self) -> None:
        """End the waiting; from any thread."""
        self._may_go_on.set()

    @property
    def held(self) -> bool:
        """Whether it waits; from any thread."""
        return not self._may_go_on.is_set()

    def progress(self) -> Progress:
        """Return how far all of it is, in thousandths, and what is being done; from any thread."""
        step, n_done, total = self._step, self._n_done, len(self.planned)
        share = min(step.done / step.total, 1.0) if step.total else 0.0
        done = total if n_done == total else n_done + share
        words = f"{step.stage}, {step.message}" if step.message else step.stage
        return Progress("export", round(1000 * done), 1000 * total, words)

    def run(self) -> list[ExportedSection]:
        """Export them all; return what became of each, in order."""
        return [self._export(one) for one in self.planned]

    def _export(self, one: ExportedSection) -> ExportedSection:
        from hcc_scope.storage.reader import open_store

        name = export_name(one.store, "")

        def step(now: Progress) -> None:
            while not (self._cancelled or self._may_go_on.wait(_LOOK_AGAIN_S)):
                pass
            if self._cancelled:
                raise _Cancelled
            self._step = Progress(f"{name}: {now.stage}", now.done, now.total, now.message)
            self._on_progress(self._step)

        options = {option.name: self._options[option.name] for option in one.kind.options}
        try:
            if self._cancelled:
                return one
            store = open_store(one.store)
            outcome = one.kind.run(store, one.target, options, step)
        except _Cancelled:
            return one
        except HccScopeError as error:
            return ExportedSection(one.store, one.kind, one.target, error=error)
        except OSError as error:
            return ExportedSection(one.store, one.kind, one.target, error=from_os_error(error, str(one.target)))
        finally:
            self._step = Progress(name, 0, 0)  # else what is done counts twice
            self._n_done += 1
        if not store.complete and one.store not in self._reported:
            self._reported.add(one.store)
            outcome = replace(outcome, left_out=(*outcome.left_out, f"{why_incomplete(one.store)}: {_AS_STORED}"))
        return ExportedSection(one.store, one.kind, one.target, outcome)


def _beside(store: StorePlace) -> Path:
    """Return the folder that a store lies in; nothing is written beside one on object storage."""
    if isinstance(store, RemotePath):
        raise UsageError(f"{store} is on object storage, which is only read", hint="Name a folder with --out.")
    return store.parent


def _refuse_one_name(targets: Sequence[Path]) -> None:
    seen: set[str] = set()
    for target in targets:
        folded = str(target).casefold()  # as on a disk that knows no case
        if folded in seen:
            raise UsageError(
                f"Two of the sections would be exported as {target}", hint="Export them into different folders."
            )
        seen.add(folded)


def describe_exported(found: Sequence[ExportedSection]) -> str:
    """Return how much was exported, and how much was not, as a sentence."""
    n_done = sum(one.outcome is not None for one in found)
    n_failed = sum(one.error is not None for one in found)
    parts = [f"{counted(n_done, 'export')} written"]
    if n_failed:
        parts.append(f"{n_failed} failed")
    if n_left := len(found) - n_done - n_failed:
        parts.append(f"{n_left} cancelled")
    return sentence(", ".join(parts))
