"""The result of one section in a batch: one small file, whose name states what it is the result of.

The name holds the hash of the store, that of the model, and the engine, so a file that is there is the section's
result, whoever made it and when; nothing else records what is done. It is written beside and renamed.

What of a result is the same on every machine stands in the tables (`hcc_scope.runs.batch_tables`); who made it, and how
long that took, stands in the file alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hcc_scope.atomic_file import json_bytes, replace_file
from hcc_scope.errors import StoreDamagedError, StoreUnwritableError
from hcc_scope.report.summary import score_account
from hcc_scope.types import Drift, ExcludedBounds, SampleCounts, SectionScore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hcc_scope.inference.card import ModelCard

__all__ = [
    "MOST_SECTIONS",
    "DoneSection",
    "EngineAnswers",
    "PreviousResult",
    "ResultFolder",
    "ResultKey",
    "SectionResult",
    "engine_build",
    "model_hash",
]

VERSION = 1
"""Of the files; another one is computed anew."""
MOST_SECTIONS = 16
"""Sections of an animal up to which its interval is known: that of a mean over n needs each section's interval at a
confidence that depends on n, and a result keeps those for n up to here."""
_OF_CARD = (
    "sha256", "tile_px", "normalisation", "count_scale", "output", "temperature", "decision_threshold",
    "threshold_interval", "probability_tolerance", "shading", "pixel_size_um", "pixel_size_tolerance", "bit_depth",
)  # fmt: skip
_THREADS = re.compile(r" \d+ threads?$")
_NAME = re.compile(r"[0-9a-f]{40}-[0-9a-f]{16}-([a-z0-9-]+)\.json")


def engine_build(engine: str) -> str:
    """Return an engine in full without its number of threads, which is another on every computer.

    Whether it changes an answer, `EngineAnswers` show.

    Examples
    --------
    >>> engine_build("torchscript 2.13.0 AVX512 float32 2 threads")
    'torchscript 2.13.0 AVX512 float32'
    """
    return _THREADS.sub("", engine)


def model_hash(card: ModelCard) -> str:
    """Return the hash of a model with all that its card states that a score depends on.

    The same weights with another threshold are another model here.
    """
    facts = {name: getattr(card, name) for name in _OF_CARD}
    facts["unlike_threshold"] = None if card.unlike_training is None else card.unlike_training.threshold
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What a result is the result of."""

    store_hash: str
    """`hcc_scope.storage.store_hash.store_hash`."""
    model_hash: str
    """`model_hash`."""
    engine: str
    """Short name."""

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"{self.store_hash[:40]}-{self.model_hash[:16]}-{self.engine}.json"


@dataclass(frozen=True, slots=True)
class PreviousResult:
    """What the store itself records about the same frames: the results of its run."""

    model: str
    model_sha256: str | None
    engine: str
    score: SectionScore
    tiles: int
    """Classified in both."""
    tiles_on_other_side: int
    """Of them: on the other side of the threshold, each analysis with its own."""
    largest_difference: float | None
    """Of a tile's probability; None without a tile."""
    differs: bool | None
    """By the rule of `hcc_scope.runs.comparison`, by which two analyses of one model have to agree; None if there is
    nothing to compare."""
    answer: str
    """The same in words, with what it rests on."""


@dataclass(frozen=True, slots=True)
class SectionResult:
    """What one model makes of one section."""

    key: ResultKey
    animal_id: str
    section_id: str
    acquired_utc: str | None
    """ISO 8601."""
    complete: bool
    """Whether its run ended in order, or was recovered."""
    n_frames: int
    model: str
    model_sha256: str
    engine: str
    """In full."""
    answers: str
    """Digest of the `EngineAnswers` of the engine that made it."""
    score: SectionScore
    intervals: tuple[tuple[float, float], ...]
    """Of the score: the interval that the mean over n sections needs, for n from 1 to `MOST_SECTIONS`; none if it is
    not valid."""
    previous: PreviousResult | None
    remarks: tuple[str, ...] = ()
    """What a reader should know, each a sentence."""
    made_by: Mapping[str, Any] | None = None
    """Worker, host, versions and seconds; on no two computers the same."""

    def as_bytes(self) -> bytes:
        """Return the content of the file."""
        before = self.previous
        return _compact(
            {
                "version": VERSION,
                "key": asdict(self.key),
                **{name: getattr(self, name) for name in _PLAIN},
                "score": score_account(self.score),
                "intervals": [list(ends) for ends in self.intervals],
                "previous": None
                if before is None
                else {
                    **{name: getattr(before, name) for name in _PLAIN_PREVIOUS},
                    "score": score_account(before.score),
                },
                "remarks": list(self.remarks),
                "made_by": dict(self.made_by or {}),
            }
        )

    @classmethod
    def parse(cls, content: bytes) -> SectionResult:
        """Return the result that a file holds.

        Raises
        ------
        ValueError
            If it holds none of this version.
        """
        try:
            found = json.loads(content)
            if found["version"] != VERSION:
                raise ValueError(f"it is of version {found['version']}")
            before = found["previous"]
            return cls(
                key=ResultKey(**found["key"]),
                **{name: found[name] for name in _PLAIN},
                score=_score(found["score"]),
                intervals=tuple((float(low), float(high)) for low, high in found["intervals"]),
                previous=None
                if before is None
                else PreviousResult(**{name: before[name] for name in _PLAIN_PREVIOUS}, score=_score(before["score"])),
                remarks=tuple(found["remarks"]),
                made_by=found["made_by"],
            )
        except (LookupError, TypeError, RecursionError) as error:
            raise ValueError(f"it is no result ({type(error).__name__}: {error})") from error


def _compact(value: Mapping[str, Any]) -> bytes:
    """Return JSON in one line: of thousands of files, each is read whenever the batch goes on."""
    return (json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n").encode("ascii")


_PLAIN = (
    "animal_id", "section_id", "acquired_utc", "complete", "n_frames", "model", "model_sha256", "engine", "answers",
)  # fmt: skip
_PLAIN_PREVIOUS = (
    "model", "model_sha256", "engine", "tiles", "tiles_on_other_side", "largest_difference", "differs", "answer",
)  # fmt: skip
_PLAIN_SCORE = (
    "score", "interval_frames", "interval_valid", "confidence", "threshold", "stabilised", "stabilised_reason",
    "frames", "tiles", "tiles_excluded", "fields_excluded_by_operator", "spoilt", "weight",
)  # fmt: skip


def _score(account: Mapping[str, Any]) -> SectionScore:
    """Return the score that `score_account` gave the account of: every value, as it was."""
    sample, bounds, drift = (account[name] for name in ("drawn_sample", "excluded_bounds", "drift"))
    ends = account["threshold_interval"]
    return SectionScore(
        **{name: account[name] for name in _PLAIN_SCORE},
        interval=(account["interval"][0], account["interval"][1]),
        sample=None if sample is None else SampleCounts(**sample),
        threshold_interval=None if ends is None else (ends[0], ends[1]),
        n_lattice=account["lattice_fields"],
        excluded_bounds=None if bounds is None else ExcludedBounds(**bounds),
        drift=None if drift is None else Drift(drift["fields"], drift["evidence"], tuple(drift["found_in"])),
        retaken={one["field"]: one["frame"] for one in account["retaken"]},
        set_aside=tuple(account["set_aside"]),
    )


@dataclass(frozen=True, slots=True)
class EngineAnswers:
    """What an engine answers for the model's own test tiles, where a section was scored.

    Engines on two computers may differ in their last digits. These tiles, which every computer has, show by how much.
    """

    model_hash: str
    """`model_hash`: probabilities depend on what the card states, too."""
    engine: str
    """`engine_build`."""
    probabilities: tuple[float, ...]
    name: str = ""
    """Short name of the engine, as in `ResultKey`; empty if that is not known."""

    @property
    def digest(self) -> str:
        """The same for the same answers of the same engine."""
        facts = {"model_hash": self.model_hash, "engine": self.engine, "probabilities": self.probabilities}
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def stands_beside(self, other: EngineAnswers) -> bool:
        """Return whether one table may have results of both: tables are of one short name of an engine."""
        return not self.name or not other.name or self.name == other.name

    def largest_difference(self, other: EngineAnswers) -> float:
        """Return the largest difference of a probability; infinite where the test tiles are not the same."""
        if len(self.probabilities) != len(other.probabilities):
            return math.inf
        pairs = zip(self.probabilities, other.probabilities, strict=True)
        return max((abs(one - another) for one, another in pairs), default=0.0)


class DoneSection(NamedTuple):
    """What of a result is needed to skip its section."""

    animal_id: str
    section_id: str
    answers: str
    """Digest of the `EngineAnswers` of the engine that made it."""
    versions: Mapping[str, str]
    """That made it (`hcc_scope.executors.versions.versions_here`)."""


class ResultFolder:
    """The folder of a batch: its results, and what the engines that made them answer. One process writes there.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._results, self._engines = folder / "results", folder / "engines"
        self._known: set[str] | None = None

    def names(self) -> set[str]:
        """Return the names of the files of results, as they were when this was first asked."""
        if self._known is None:
            self._known = set(_names_below(self._results))
        return self._known

    def engines_used(self, model: str) -> set[str]:
        """Return the short names of the engines that made results of a model, by its hash."""
        return {match[1] for name in self.names() if name[41:57] == model[:16] and (match := _NAME.fullmatch(name))}

    def done(self, key: ResultKey) -> DoneSection | None:
        """Return what skips a section that has its result; None if there is no whole one.

        Cheaper than `read`: to skip what is done takes no more.
        """
        name = key.name
        if name not in self.names():
            return None
        try:
            found = json.loads(_bytes_of(self._path(name)))
            if found["version"] != VERSION or ResultKey(**found["key"]) != key:
                return None
            versions = (found["made_by"] or {}).get("versions") or {}
            return DoneSection(found["animal_id"], found["section_id"], found["answers"], versions)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def read(self, key: ResultKey) -> SectionResult:
        """Return a result that is there.

        Raises
        ------
        StoreDamagedError
            If it cannot be read.
        """
        path = self._path(key.name)
        try:
            return SectionResult.parse(_bytes_of(path))
        except (OSError, ValueError) as error:
            raise StoreDamagedError(f"The result {path} cannot be read: {error}", hint="Delete it.") from error

    def write(self, result: SectionResult) -> None:
        """Keep a result.

        Raises
        ------
        StoreUnwritableError
            If it cannot be written.
        """
        name = result.key.name
        self._replace(Path(self._path(name)), result.as_bytes())
        self.names().add(name)

    def answers(self, model: str) -> dict[str, EngineAnswers]:
        """Return what the engines answered that made results of a model, by digest; the model by its hash."""
        found = {}
        for name in _names_in(self._engines):
            try:
                content = json.loads((self._engines / name).read_bytes())
                probabilities = tuple(content["probabilities"])
                one = EngineAnswers(content["model_hash"], content["engine"], probabilities, content.get("name", ""))
            except (OSError, ValueError, LookupError, TypeError, AttributeError):
                continue
            if one.model_hash == model and name == f"{one.digest}.json":
                found[one.digest] = one
        return found

    def write_answers(self, answers: EngineAnswers) -> None:
        """Keep what an engine answers.

        Raises
        ------
        StoreUnwritableError
            If it cannot be written.
        """
        self._replace(self._engines / f"{answers.digest}.json", json_bytes(asdict(answers)))

    def _path(self, name: str) -> str:
        """Return the path of the result of a name, as text: of thousands, each is read when the batch goes on."""
        return f"{self._results}{os.sep}{name[:2]}{os.sep}{name}"

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content, shared=True)
        except OSError as error:
            raise StoreUnwritableError(
                f"The result {path} cannot be written: {error.strerror or error}",
                hint="What is written stays; make room, or correct the permissions, and give the command again.",
            ) from error


def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - a path as text, for thousands of files
        return file.read()


def _names_below(folder: Path) -> Iterator[str]:
    for name in _names_in(folder):
        yield from _names_in(folder / name)


def _names_in(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208 - names are enough
    except (FileNotFoundError, NotADirectoryError):
        return []
