"""The drawn sample of a guided section, in its store: ``sample.jsonl``; other stores have none.

One JSON object per line with a checksum (`hcc_scope.storage.lines`), append-only, each line on disk before it takes
effect. The first one, of the kind ``drawn``, has the fields in the order in which they were drawn, and what they
were drawn from (``lattice_fields``: how many fields their lattice has). Then come lines of the kinds ``skipped``
(``field``, ``reason``) and ``undone`` (``seq`` of a frame whose capture was undone). Which frame shows which field is
not written here but in the journal, by the frame's tag ``drawn_field``: so a field is reached exactly when its frame is
on disk.

A line that is damaged may have said anything; the sample is then not relied on, and no interval is valid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from hcc_scope.atomic_file import replace_file
from hcc_scope.drawn_fields import DrawnFields
from hcc_scope.errors import StoreError, UsageError
from hcc_scope.plans.drawn_sample import MAX_DRAWN, SKIP_REASONS, DrawnSample
from hcc_scope.plans.geometry import MAX_PLACES
from hcc_scope.plans.outline import MAX_CORNERS
from hcc_scope.position_tags import drawn_field
from hcc_scope.storage import values
from hcc_scope.storage.appended import append_line
from hcc_scope.storage.files import cannot_read, explain, read_plain
from hcc_scope.storage.lines import fields_of, sealed_line
from hcc_scope.storage.metadata import JOURNAL
from hcc_scope.storage.naming import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.types import RunSpec, SkipReason

__all__ = [
    "SAMPLE",
    "SampleLog",
    "SampleWriter",
    "drop_lost_frames",
    "frames_of_sample",
    "give_sample",
    "read_sample_log",
    "sample_problems",
    "stored_sample",
]

_MAX_BYTES = 64 * 2**20
_KEYS = {
    "drawn": frozenset(
        {"island", "seed", "field_um", "outline_um", "fields_um", "tolerance", "skipped_share"},
    ),
    "skipped": frozenset({"field", "reason"}),
    "undone": frozenset({"seq"}),
}
_LATTICE = "lattice_fields"
"""Of the draw; only since the score's interval depends on it."""


@dataclass(frozen=True, slots=True)
class SampleLog:
    """What a ``sample.jsonl`` holds."""

    sample: DrawnSample | None
    """With its skips, without the frames that reached its fields; None if nothing is drawn, or that line is lost."""
    problems: tuple[str, ...]
    """One sentence for each unreadable line that has its end."""
    torn: bytes
    """The unfinished last line of a crash, or empty."""


def read_sample_log(store: StorePlace) -> SampleLog:
    """Read the record of a store's drawn sample, also while it is being written.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    path = store / SAMPLE
    try:
        *lines, torn = read_plain(path, _MAX_BYTES).split(b"\n")
    except FileNotFoundError:
        return SampleLog(None, (), b"")
    except OSError as error:
        raise cannot_read(error, f"The drawn sample {path}") from error
    sample: DrawnSample | None = None
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            sample = _after(sample, line)
        except ValueError as error:
            problems.append(f"line {number} of {path} is unreadable: {error}")
            if sample is None:
                break  # without the draw, no other line has a meaning
    return SampleLog(sample, tuple(problems), torn)


def _after(sample: DrawnSample | None, line: bytes) -> DrawnSample:
    """Return the sample after one line; raises ValueError if it is none that can stand there."""
    value, sealed = fields_of(line)
    if not sealed:
        raise ValueError("it has no checksum")
    kind = values.choice(values.member(value, "kind"), "kind", _KEYS)
    values.time_of(values.member(value, "t_utc"), "t_utc")
    if value.keys() - {"kind", "t_utc"} - ({_LATTICE} if kind == "drawn" else set()) != _KEYS[kind]:
        raise ValueError("it has other keys")
    if kind == "drawn":
        if sample is not None:
            raise ValueError("the fields were drawn before")
        return _drawn(value)
    if sample is None:
        raise ValueError("no fields are drawn before it")
    if kind == "undone":
        return sample.with_undone(values.integer(value["seq"], "seq", 0, 1 << 40))
    reason = cast("SkipReason", values.choice(value["reason"], "reason", SKIP_REASONS))
    return sample.with_skipped(values.integer(value["field"], "field", 0, sample.n_drawn - 1), reason)


def _drawn(value: dict[str, Any]) -> DrawnSample:
    width, height = values.numbers(value["field_um"], "field_um", 2)
    values.number(min(width, height), "field_um", 1e-9)
    return DrawnSample(
        fields_um=_points(value["fields_um"], "fields_um", 1, MAX_DRAWN),
        field_um=(float(width), float(height)),
        outline_um=_points(value["outline_um"], "outline_um", 3, MAX_CORNERS),
        seed=values.integer(value["seed"], "seed", 0, 1 << 128),
        n_lattice=_lattice_of(value),
        island=values.integer(value["island"], "island", 0, 1 << 40),
        tolerance=float(values.number(value["tolerance"], "tolerance", 0, 0.5)),
        skipped_share=float(values.number(value["skipped_share"], "skipped_share", 0, 1)),
    )


def _lattice_of(value: dict[str, Any]) -> int | None:
    n = value.get(_LATTICE)
    return None if n is None else values.integer(n, _LATTICE, len(value["fields_um"]), MAX_PLACES)


def _points(value: object, key: str, least: int, most: int) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ValueError(f"{key} is no list of {least} to {most:,} places")
    points = (values.numbers(one, key, 2) for one in value)
    return tuple((float(x), float(y)) for x, y in points)


class SampleWriter:
    """Writes down what happens to the drawn sample of a section (`hcc_scope.by_hand.SampleKeeper`).

    Nothing is written before the draw; every line is on disk when its method returns.

    Parameters
    ----------
    store : Path
        The store's folder.
    """

    def __init__(self, store: Path) -> None:
        self.path = store / SAMPLE
        self._store = store

    def drawn(self, sample: DrawnSample) -> None:
        """Write down which fields were drawn; once in a store.

        Raises
        ------
        UsageError
            If fields are drawn already.
        StoreError, StoreUnwritableError, DiskFullError
            If there is no store, or the line cannot be written.
        """
        log = read_sample_log(self._store)
        if log.sample is not None or log.problems:
            raise UsageError("the fields of this section are drawn already", hint="Start a new section.")
        self._add(
            "drawn",
            island=sample.island,
            seed=sample.seed,
            field_um=sample.field_um,
            outline_um=sample.outline_um,
            fields_um=sample.fields_um,
            tolerance=sample.tolerance,
            skipped_share=sample.skipped_share,
            **({} if sample.n_lattice is None else {_LATTICE: sample.n_lattice}),
        )

    def skipped(self, field: int, reason: SkipReason) -> None:
        """Write down that a drawn field is skipped. Raises like `drawn`."""
        self._add("skipped", field=field, reason=reason)

    def undone(self, seq: int) -> None:
        """Write down that a frame shows no drawn field after all. Raises like `drawn`."""
        self._add("undone", seq=seq)

    def _add(self, kind: str, **fields: object) -> None:
        try:
            if not (self._store / JOURNAL).is_file():
                raise StoreError(f"There is no store at {self._store} to keep a drawn sample in")
            append_line(self.path, sealed_line({"t_utc": datetime.now(UTC).isoformat(), "kind": kind, **fields}))
        except OSError as error:
            raise explain(error, f"The drawn sample could not be written to {self.path}") from error


def stored_sample(store: StorePlace, entries: Sequence[JournalEntry | None]) -> DrawnSample | None:
    """Return a store's drawn sample with the frames that reached its fields; None if nothing is drawn.

    Parameters
    ----------
    store : Path
    entries : sequence of JournalEntry
        The journal's lines.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    sample = read_sample_log(store).sample
    if sample is None:
        return None
    reached: dict[int, int] = {}
    for seq, entry in enumerate(entries):
        k = None if entry is None else drawn_field(entry.tags)
        if k is not None and k < sample.n_drawn and seq not in sample.undone:
            reached[k] = seq
    return replace(sample, reached=reached)


def drop_lost_frames(store: Path, n_frames: int) -> bool:
    """Rewrite a sound record without the lines on frames that the journal does not have: those numbers are given again.

    An undone capture may be one whose frame a crash kept from the disk.

    Returns
    -------
    bool
        Whether there were any.

    Raises
    ------
    OSError, StoreError
        If it cannot be read or written.
    """
    path = store / SAMPLE
    try:
        lines = read_plain(path, _MAX_BYTES).split(b"\n")
    except FileNotFoundError:
        return False
    kept = [line for line in lines if not line or fields_of(line)[0].get("seq", -1) < n_frames]
    if len(kept) == len(lines):
        return False
    replace_file(path, b"\n".join(kept))
    return True


def sample_problems(store: StorePlace, spec: RunSpec, entries: Sequence[JournalEntry | None]) -> list[str]:
    """Return what is wrong with the record of a store's drawn sample, as text; empty if nothing.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    return _problems(read_sample_log(store), store, entries) if spec.sampling == "guided" else []


def _problems(log: SampleLog, store: StorePlace, entries: Sequence[JournalEntry | None]) -> list[str]:
    tagged = any(entry is not None and drawn_field(entry.tags) is not None for entry in entries)
    if tagged and log.sample is None and not log.problems:
        return [f"{store / SAMPLE} is missing or empty, which states the fields that were drawn"]
    return list(log.problems)


def give_sample(drawn: DrawnFields, store: StorePlace, entries: Sequence[JournalEntry | None]) -> None:
    """Give a score's drawn fields the sample of a guided section, and which frame shows which field.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    log = read_sample_log(store)
    if log.sample is not None:
        drawn.draw(log.sample)
    if _problems(log, store, entries):
        drawn.lose("the record of the drawn fields is damaged")
    for seq, entry in enumerate(entries):
        if entry is not None:
            drawn.place(seq, drawn_field(entry.tags))


def frames_of_sample(store: StorePlace, entries: Sequence[JournalEntry | None]) -> frozenset[int]:
    """Return the frames that show the drawn fields of a guided section: the only ones that enter its score.

    Raises
    ------
    StoreError
        If the file is there and cannot be read.
    """
    drawn = DrawnFields()
    give_sample(drawn, store, entries)
    return frozenset(drawn.frames)
