"""Score many stored sections with one model, on an executor; what is done already is not done again.

`Batch.run` blocks. A section is done when its result file is there (`hcc_scope.runs.batch_result`), so a batch that was
ended at any time goes on where it was, and sections that came in since are added. A section that cannot be scored is
listed with its reason, and the others go on.

Design notes
------------
- Stores are hashed as the executor asks for tasks, so a million of them never stand in memory as tasks.
- This process alone writes, also on a cluster: workers need the stores, and nothing else of this machine.
- The engine is one for the whole batch. What it answers on each computer is compared on the model's own test tiles.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hcc_scope.errors import HccScopeError, ModelSelfTestError, StoreDamagedError, StoreError
from hcc_scope.executors.tasks import SentFile, Setup, Task
from hcc_scope.inference.base import AUTO
from hcc_scope.inference.card import MODEL_FILE, read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.memory import no_collection
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.runs.batch_result import ResultKey, model_hash
from hcc_scope.runs.store_hashes import StoreHashes
from hcc_scope.storage.find_stores import each_store_and_real, stores_at
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.storage.place import RemotePath, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hcc_scope.executors.tasks import Executor, TaskEnd, TaskFailure, WorkerFacts
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.progress import OnProgress
    from hcc_scope.runs.batch_result import EngineAnswers, ResultFolder

__all__ = ["Batch", "BatchFailure", "BatchOutcome", "ScoredStore", "chosen_engine", "stores_given"]

_MODEL_FILES = ("card.yaml", MODEL_FILE, "test_input.npy", "test_output.npy")
"""What a worker needs of a model."""
_SKIP, _SCORE = "skip what is done", "score"
_SKIP_STEP = 100
"""Sections that are skipped between two reports of progress."""


class ScoredStore(NamedTuple):
    """A store that has a result, with what orders the tables."""

    animal_id: str
    section_id: str
    store: str
    key: ResultKey
    answers: str
    """Digest of the `EngineAnswers` of the engine that made the result."""


@dataclass(frozen=True, slots=True)
class BatchFailure:
    """A store that has no result."""

    store: str
    error: Exception
    attempts: int = 1

    @property
    def reason(self) -> str:
        """Why, as one line."""
        words = str(self.error)
        return " ".join(
            (words if isinstance(self.error, HccScopeError) else f"{type(self.error).__name__}: {words}").split()
        )

    def describe(self) -> str:
        """Return store and reason as one line; a reason that names the store stands alone."""
        return self.reason if self.store in self.reason else f"{self.store}: {self.reason}"


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """How a batch ended."""

    scored: tuple[ScoredStore, ...]
    """By animal, section and store."""
    failures: tuple[BatchFailure, ...]
    """By store."""
    n_stores: int
    n_done_before: int
    """Of those scored: how many were done when it began."""
    answers: tuple[EngineAnswers, ...]
    """Of the engines that made the results, by digest."""

    @property
    def n_left(self) -> int:
        """Stores that it did not come to, as it was ended early."""
        return self.n_stores - len(self.scored) - len(self.failures)


def stores_given(given: Iterable[Path]) -> list[str]:
    """Return the stores that are named, and those in the folders that are, by path.

    Each store comes once, whatever links lead to it: under its own path if that is given, else under the first by name.

    Raises
    ------
    StoreError
        If one of them is not there, or a folder cannot be opened or holds no store.
    """
    found: dict[str, list[str]] = {}
    for one in given:
        place = place_of(one)
        if isinstance(place, RemotePath):
            below = stores_at(place)
            if not below:
                raise StoreError(
                    f"There is no store below {place}", hint=f"Give stores (*{STORE_SUFFIX}), or what they lie in."
                )
            for address in map(str, below):
                found[address] = [address]
            continue
        whole = Path(os.path.abspath(one))  # noqa: PTH100 - a link keeps its name
        if not whole.is_dir():
            raise StoreError(f"There is no folder {one}", hint=f"Give stores (*{STORE_SUFFIX}), or folders of them.")
        unread: list[Path] = []
        here = sorted(each_store_and_real([whole], unread=unread.append))
        if unread:
            raise StoreError(f"The folder {unread[0]} cannot be opened", hint="Check its permissions.")
        if not here:
            raise StoreError(f"There is no store in {one}", hint=f"Give stores (*{STORE_SUFFIX}), or folders of them.")
        for path, real in here:
            found.setdefault(real, []).append(str(path))
    return sorted(real if real in paths else min(paths) for real, paths in found.items())


def chosen_engine(
    engine: str, folder: Path, card: ModelCard, results: ResultFolder, note: Callable[[str], None]
) -> str:
    """Return the name of the engine that a batch uses.

    ``auto`` is the one that made the results which are there; else the fastest that can be used on this computer.

    Raises
    ------
    ModelError
        If there is no such engine, or no engine can run the model here.
    """
    from hcc_scope.inference.engines import check_engine

    check_engine(engine)
    if engine != AUTO:
        return engine
    used = results.engines_used(model_hash(card))
    if len(used) == 1:
        name = used.pop()
        note(f"Engine {name}: that of the results in {results.folder}.")
        return name
    from hcc_scope.inference import load_model

    return load_model(folder).classifier(AUTO, note=note).name


class Batch:
    """Some stores, one model, one engine, one folder of results.

    Parameters
    ----------
    stores : sequence of str
        Their paths, as workers find them.
    model : str or Path
        Name or folder.
    engine : str
        Name of an engine, or ``"auto"``.
    results : ResultFolder
    allow_phantom_model : bool
        Let a model that was trained on a phantom only score what may be tissue.
    hashes : StoreHashes, optional
        Of stores that were hashed before; None: each is hashed.
    note : callable
        Takes a sentence on what was chosen.

    Raises
    ------
    ModelError
        If the model or the engine cannot be used at all.
    """

    def __init__(
        self,
        stores: Sequence[str],
        model: str | Path,
        engine: str,
        results: ResultFolder,
        *,
        allow_phantom_model: bool = False,
        hashes: StoreHashes | None = None,
        note: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        folder = find_model(model)
        self.card = read_card(folder)
        self.engine = chosen_engine(engine, folder, self.card, results, note)
        self._stores = stores
        self._results = results
        self._hashes = StoreHashes() if hashes is None else hashes
        self.model_hash = model_hash(self.card)
        self._folder, self._allow_phantom_model = folder, allow_phantom_model
        self._answers = results.answers(self.model_hash)
        self._scored: list[ScoredStore] = []
        self._failures: dict[str, BatchFailure] = {}
        self._stores_of: dict[str, tuple[ResultKey, list[str]]] = {}
        """Of each result that is to be made: several if they are copies."""
        self._other_copies: dict[str, tuple[ResultKey, list[str]]] = {}
        """Of stores that failed: to be tried when all others are done."""
        self._failed_copies: dict[str, list[str]] = {}
        """Of each result that is missing: the stores that failed."""
        self._n_done = self._n_before = 0
        self._on_progress: OnProgress = ignore_progress
        self._refuse: Callable[[WorkerFacts | None], HccScopeError | None] = lambda _worker: None
        self._allow: Callable[[Mapping[str, str]], bool] = lambda _versions: True

    def run(
        self,
        open_executor: Callable[[], Executor],
        *,
        on_open: Callable[[Executor], None] = lambda _executor: None,
        refuse: Callable[[WorkerFacts | None], HccScopeError | None] = lambda _worker: None,
        allow: Callable[[Mapping[str, str]], bool] = lambda _versions: True,
        stop: Callable[[], bool] = lambda: False,
        on_progress: OnProgress = ignore_progress,
    ) -> BatchOutcome:
        """Score what has no result yet.

        Parameters
        ----------
        open_executor : callable
            Called only if there is anything to score.
        on_open : callable
            Takes the executor before its first task; may refuse it.
        refuse : callable
            Takes the worker that made a result, and returns why that may not count, or None. Workers may join a cluster
            at any time.
        allow : callable
            Takes the versions that made a result which is there, and returns whether it may count; if not, the section
            is scored again.
        stop : callable
            Asked often; once it returns True, no section begins any more, and those at work are finished.
        on_progress : callable
            Takes each step.

        Raises
        ------
        StoreUnwritableError
            If a result cannot be written.
        HccScopeError
            If a worker cannot load the model, or the executor cannot go on. What is written stays.
        """
        self._on_progress, self._refuse, self._allow = on_progress, refuse, allow
        tasks = self._tasks(stop)
        with no_collection():  # of thousands of results that are there
            first = next(tasks, None)
        if first is not None:
            with open_executor() as executor:
                on_open(executor)
                setup = self._setup()
                wanted: Iterable[Task] = itertools.chain([first], tasks)
                while wanted:
                    for end in executor.each(wanted, setup=setup, retry=_may_pass, stop=stop):
                        self._take(end)
                    wanted = [] if stop() else self._tasks_of_copies()
        used = {one.answers for one in self._scored}
        return BatchOutcome(
            tuple(sorted(self._scored, key=lambda one: one[:3])),
            tuple(self._failures[store] for store in sorted(self._failures)),
            len(self._stores),
            self._n_before,
            tuple(self._answers[digest] for digest in sorted(used & self._answers.keys())),
        )

    def _setup(self) -> Setup:
        from hcc_scope.runs.batch_worker import ScoreJob, prepare_model

        files = tuple(SentFile.of(self._folder / name) for name in _MODEL_FILES)
        return Setup(prepare_model, ScoreJob(self.model_hash, self.engine, self._allow_phantom_model), files)

    # -- what is to be done --------------------------------------------------------------------------------------------

    def _tasks(self, stop: Callable[[], bool]) -> Iterator[Task]:
        """Yield a task for each store without a result; take the results that are there."""
        try:
            for store in self._stores:
                if stop():
                    return
                task = self._to_do(store)
                if task is not None:
                    yield task
        finally:
            self._hashes.close()

    def _to_do(self, store: str) -> Task | None:
        """Return the task of a store; None if it has its result, or shares that of a copy, or cannot be read."""
        try:
            key = ResultKey(self._hashes.of(place_of(store)), self.model_hash, self.engine)
        except StoreError as error:
            self._fail(store, error)
            return None
        done = self._results.done(key)
        # without its engine's answers nothing can be compared
        if done is not None and done.answers in self._answers and self._allow(done.versions):
            self._n_before += 1
            self._scored.append(ScoredStore(done.animal_id, done.section_id, store, key, done.answers))
            if self._n_before % _SKIP_STEP == 0:
                self._on_progress(Progress(_SKIP, self._n_before, len(self._stores)))
            return None
        if key.name in self._stores_of:  # a copy of one that is at work
            self._stores_of[key.name][1].append(store)
            return None
        self._stores_of[key.name] = key, [store]
        return self._task(store, key)

    def _tasks_of_copies(self) -> list[Task]:
        """Return a task for the next copy of each store that failed and has one."""
        self._stores_of, self._other_copies = self._other_copies, {}
        return [self._task(stores[0], key) for key, stores in self._stores_of.values()]

    @staticmethod
    def _task(store: str, key: ResultKey) -> Task:
        from hcc_scope.runs.batch_worker import StoreTask, score_store  # what scores is loaded only to score

        return Task(key.name, score_store, StoreTask(store, key))

    # -- what was done -------------------------------------------------------------------------------------------------

    def _take(self, end: TaskEnd) -> None:
        key, stores = self._stores_of.pop(end.key)
        if end.failure is not None:  # of this copy: another one may be whole
            self._fail_copy(key, stores[0], end.failure.error, end.attempts)
            if others := stores[1:]:
                self._other_copies.setdefault(end.key, (key, []))[1].extend(others)
            return
        result, answers = end.value
        refused = self._refuse(end.worker) or self._compare_answers(answers)
        if refused is not None:
            for store in stores:
                self._fail_copy(key, store, refused, end.attempts)
            return
        self._results.write(result)
        stores += self._other_copies.pop(end.key, (key, []))[1]
        failed = self._failed_copies.pop(end.key, [])  # the result is theirs too, as if it had been there before
        for store in failed:
            del self._failures[store]
        for store in (*failed, *stores):
            self._scored.append(ScoredStore(result.animal_id, result.section_id, store, result.key, result.answers))
        for _ in stores:
            self._step()

    def _compare_answers(self, answers: EngineAnswers) -> HccScopeError | None:
        """Keep what an engine answers; return why results of it may not stand beside the others."""
        if answers.digest in self._answers:
            return None
        for other in self._answers.values():
            if not answers.stands_beside(other):
                continue
            apart = answers.largest_difference(other)
            if not apart <= self.card.probability_tolerance:
                return ModelSelfTestError(
                    f"the worker's engine ({answers.engine}) and that of other results ({other.engine}) differ by "
                    f"{apart:.2g} in the probability of a test tile (tolerance {self.card.probability_tolerance:g})",
                    hint="Leave that worker out, choose --engine torchscript, or give another folder with --out.",
                )
        self._results.write_answers(answers)
        self._answers[answers.digest] = answers
        return None

    def _fail_copy(self, key: ResultKey, store: str, error: Exception, attempts: int) -> None:
        self._failed_copies.setdefault(key.name, []).append(store)
        self._fail(store, error, attempts)

    def _fail(self, store: str, error: Exception, attempts: int = 1) -> None:
        self._failures[store] = BatchFailure(store, error, attempts)
        self._step()

    def _step(self) -> None:
        self._n_done += 1
        failed = f"{len(self._failures)} failed" if self._failures else ""
        self._on_progress(Progress(_SCORE, self._n_done, len(self._stores) - self._n_before, failed))


def _may_pass(failure: TaskFailure) -> bool:
    """Return whether another try may succeed: after a worker died, or where a disk or a network did not answer."""
    error = failure.error
    if failure.reason == "worker died" or isinstance(error, OSError):
        return True
    return isinstance(error, StoreError) and not isinstance(error, StoreDamagedError)
