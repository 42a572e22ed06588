"""The record of a run in its store, beside the frames: how the run was made, how it ended, and with which score.

Parsed once, when the facts of a store are read (`hcc_scope.storage.facts`). The file keeps every key that it has: keys
that this version does not know are ignored here and stay there.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast, get_args

from hcc_scope.plans.drawn_sample import SKIP_REASONS
from hcc_scope.quality import QualityLimits
from hcc_scope.storage import values
from hcc_scope.storage.parts import LEFT_OUT, RESUMED_AT
from hcc_scope.storage.shading_copy import is_corrected
from hcc_scope.types import Drift, ExcludedBounds, SampleCounts, ScoreWeight, SectionScore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hcc_scope.types import SkipReason, TagValue

__all__ = ["ASSUMED_THRESHOLD", "Provenance", "RecordedOutcome", "RecordedPart", "RecordedRun"]

ASSUMED_THRESHOLD = 0.5
"""Decision threshold that a score is held against where none is recorded; whatever shows such a score has to say so."""

_NUMBERS_OF_SCORE = ("score", "confidence", "threshold")
_COUNTS_OF_SCORE = ("interval_frames", "frames", "tiles", "fields_excluded_by_operator", "lattice_fields")


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a run was made, as recorded before its first frame; None where nothing usable is recorded."""

    model: str | None = None
    """Name of the model that classified it live."""
    engine: str | None = None
    """Short name of the engine."""
    model_trained_on: str | None = None
    """In a few words, from the model's card."""
    temperature: float | None = None
    """With which the model's log-odds were calibrated."""
    decision_threshold: float | None = None
    """The model's, between 0 and 1."""
    threshold_interval: tuple[float, float] | None = None
    """Of that threshold, as the model's card had it; None: the card had none, or the store is older."""
    statement: str | None = None
    """What a verdict of the model was worth, as JSON (`hcc_scope.inference.card_evaluation.StatementRecord`)."""
    unlike_threshold: float | None = None
    """Distance from the training tiles beyond which a tile counts as unlike them."""
    score_unlike: bool = False
    """Whether tiles unlike the training tiles were scored too."""
    quality: QualityLimits = field(default_factory=QualityLimits)
    """A limit that is not recorded has its default."""
    corrected: bool = False
    """Whether frames were corrected by a dark and a flat field before they were classified."""
    shading_estimated: bool = False
    """Whether a part of that correction was estimated from tissue."""
    specimen: str | None = None
    camera: str | None = None
    camera_library: str | None = None
    """Micro-Manager's adapter library of the camera."""
    outline_um: tuple[tuple[float, float], ...] | None = None
    """The section's outline (x, y) in stage coordinates, where the plan has one."""

    @classmethod
    def parse(cls, recorded: Mapping[str, TagValue]) -> Provenance:
        """Return the provenance of a `hcc_scope.types.RunSpec`; a value of another type counts as not recorded."""
        threshold = _number_or_none(recorded.get("decision_threshold"))
        limits = {name: _number_or_none(recorded.get(f"quality_{name}")) for name in QualityLimits().as_dict()}
        return cls(
            model=_text_or_none(recorded.get("model")),
            engine=_text_or_none(recorded.get("engine")),
            model_trained_on=_text_or_none(recorded.get("model_trained_on")),
            temperature=_number_or_none(recorded.get("temperature")),
            decision_threshold=threshold if threshold is not None and 0 < threshold < 1 else None,
            threshold_interval=_ends_or_none(
                *(_number_or_none(recorded.get(f"decision_threshold_{end}")) for end in ("low", "high"))
            ),
            statement=_text_or_none(recorded.get("statement")),
            unlike_threshold=_number_or_none(recorded.get("unlike_threshold")),
            score_unlike=recorded.get("score_unlike") is True,
            quality=QualityLimits(**{name: limit for name, limit in limits.items() if limit is not None}),
            corrected=is_corrected(recorded),
            shading_estimated=recorded.get("shading_estimated") is True,
            specimen=_text_or_none(recorded.get("specimen")),
            camera=_text_or_none(recorded.get("camera")),
            camera_library=_text_or_none(recorded.get("camera_library")),
            outline_um=_outline(recorded.get("plan")),
        )

    @property
    def correction(self) -> str:
        """By what frames were corrected before they were classified, as text."""
        if not self.corrected:
            return "none"
        return "dark and flat fields" + (", estimated from tissue" if self.shading_estimated else "")

    @property
    def unlike_limit(self) -> float | None:
        """Distance beyond which tiles were left out of the score; None if no distance was."""
        return None if self.score_unlike else self.unlike_threshold


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """How a run ended, as its store records it; None where nothing is recorded."""

    state: str | None = None
    """``completed``, ``cancelled``, ``failed`` or ``recovered``; a later version may know others."""
    cause: str | None = None
    """The first error, as text."""
    animal_id: str | None = None
    section_id: str | None = None
    score: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float | None = None
    """The model's decision threshold."""
    section_score: SectionScore | None = None
    """The whole score; None without one, or if a part of it is not recorded."""
    lasting_reason: str | None = None
    """Why the fields are no random choice although the plan was one; None if they are. True after a recovery too."""
    excluded_by_operator: tuple[int, ...] = ()
    """`seq` of the fields that were out of the score when the run ended."""
    lost_frames: int = 0
    """Frames that the camera lost before they reached the program."""
    skipped_fields: int = 0
    """Fields of the plan that were left out, as the stage did not reach them."""
    readings: Mapping[str, TagValue] = field(default_factory=dict)
    """What the section showed of its microscope (`hcc_scope.readings`); empty where that is not recorded."""

    @classmethod
    def parse(cls, outcome: object, key: str) -> RecordedOutcome:
        """Return the outcome that a store's facts hold under `key`.

        Raises
        ------
        ValueError
            If a value cannot stand there; the message names the key.
        """
        found = values.object_of(outcome, key)
        _check(found, f"{key}.")
        return cls(
            state=found.get("state"),
            cause=found.get("cause"),
            animal_id=found.get("animal_id"),
            section_id=found.get("section_id"),
            score=_float_or_none(found.get("score")),
            interval=_interval(found),
            threshold=_float_or_none(found.get("threshold")),
            section_score=_section_score(found),
            lasting_reason=_lasting_reason(found),
            excluded_by_operator=tuple(found.get("excluded_by_operator", ())),
            lost_frames=found.get("counts", {}).get("lost", 0),
            skipped_fields=found.get("counts", {}).get("skipped", 0),
            readings=found.get("readings", {}),
        )


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """One part of a section that was continued (`hcc_scope.storage.parts`)."""

    first_frame: int
    began_utc: datetime
    n_frames: int | None = None
    """None for the last part until it has ended."""
    ended_utc: datetime | None = None
    outcome: RecordedOutcome | None = None
    """How the run of this part ended; its counts and its score are those of all frames up to then."""
    outcome_before_recovery: RecordedOutcome | None = None
    takes_up_plan: bool = False
    """Whether the plan goes on with it and no field before it is left out."""

    @classmethod
    def parse(cls, part: object, key: str) -> RecordedPart:
        """Return the part that a store's facts hold under `key`.

        Raises
        ------
        ValueError
            If a value cannot stand there; the message names the key.
        """
        found = values.object_of(part, key)
        n, ended = found.get("n_frames"), found.get("ended_utc")
        outcome, before = (
            RecordedOutcome.parse(found[name], f"{key}.{name}") if name in found else None
            for name in ("outcome", "outcome_before_recovery")
        )
        values.scalars(found.get("software", {}), f"{key}.software")
        provenance = values.scalars(found.get("provenance", {}), f"{key}.provenance")
        return cls(
            first_frame=values.integer(
                values.member(found, "first_frame", f"{key}."), f"{key}.first_frame", 0, 1 << 40
            ),
            began_utc=values.time_of(found.get("began_utc"), f"{key}.began_utc"),
            n_frames=None if n is None else values.integer(n, f"{key}.n_frames", 0, 1 << 40),
            ended_utc=None if ended is None else values.time_of(ended, f"{key}.ended_utc"),
            outcome=outcome,
            outcome_before_recovery=before,
            takes_up_plan=RESUMED_AT in provenance and provenance.get(LEFT_OUT) == 0,
        )


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a store records about its run."""

    provenance: Provenance
    created_utc: datetime
    complete: bool
    """Whether the run ended in order, or was recovered."""
    frames: int | None = None
    """How many the end of the run counted; None for an unfinished run, or if the number is lost."""
    outcome: RecordedOutcome | None = None
    """None for an unfinished run."""
    outcome_before_recovery: RecordedOutcome | None = None
    """What stays true of the outcome that a recovery replaced."""
    parts: tuple[RecordedPart, ...] = ()
    """Its parts in order, if the section was continued."""

    @classmethod
    def parse(cls, attributes: Mapping[str, Any], provenance: Mapping[str, TagValue]) -> RecordedRun:
        """Return what the attribute ``hcc_scope`` of a store records.

        Parameters
        ----------
        attributes : mapping
            The attribute.
        provenance : mapping
            Of the store's `hcc_scope.types.RunSpec`.

        Raises
        ------
        ValueError
            If a value cannot stand there; the message names the key.
        """
        complete = "complete" in attributes and values.flag(attributes["complete"], "complete")
        n = attributes.get("n_frames")
        if n is not None:
            values.integer(n, "n_frames", 0, 1 << 40)
        outcome, before = (
            RecordedOutcome.parse(attributes[key], key) if key in attributes else None
            for key in ("outcome", "outcome_before_recovery")
        )
        finished = attributes.get("finished_utc")
        ended_utc = values.time_of(finished, "finished_utc") if complete and finished is not None else None
        return cls(
            provenance=Provenance.parse(provenance),
            created_utc=values.time_of(values.member(attributes, "created_utc"), "created_utc"),
            complete=complete,
            frames=n if complete else None,
            outcome=outcome,
            outcome_before_recovery=before,
            parts=_parts(attributes.get("parts", []), n if complete else None, ended_utc, outcome),
        )

    @property
    def state(self) -> str | None:
        """How the run ended; None if it did not, or if the store does not record how."""
        return None if self.outcome is None else self.outcome.state

    @property
    def first_frames(self) -> tuple[tuple[int, str], ...]:
        """The first frame of each part, and when the part began (ISO 8601), if the section was continued."""
        return tuple((part.first_frame, part.began_utc.isoformat()) for part in self.parts)

    @property
    def decision_threshold(self) -> float | None:
        """The model's, as recorded before the first frame, or with the score; None if neither has it."""
        at_end = None if self.outcome is None else self.outcome.threshold
        if self.provenance.decision_threshold is None and at_end is not None and 0 < at_end < 1:
            return at_end
        return self.provenance.decision_threshold

    @property
    def threshold_interval(self) -> tuple[float, float] | None:
        """Of the decision threshold, as recorded before the first frame; None where none is recorded."""
        return None if self.provenance.decision_threshold is None else self.provenance.threshold_interval

    @property
    def excluded_by_operator(self) -> tuple[int, ...]:
        """`seq` of the fields that were out of the score when the run ended."""
        return () if self.outcome is None else self.outcome.excluded_by_operator


def _parts(
    found: object, n_frames: int | None, ended_utc: datetime | None, outcome: RecordedOutcome | None
) -> tuple[RecordedPart, ...]:
    """Return the parts of a section; how the last one ended is how the run did."""
    if not isinstance(found, list):
        raise ValueError("parts is no list")  # noqa: TRY004 - one kind of error for one kind of damage
    parts = [RecordedPart.parse(part, f"parts[{i}]") for i, part in enumerate(found)]
    if parts and n_frames is not None:
        n_last = max(0, n_frames - parts[-1].first_frame)
        parts[-1] = replace(parts[-1], n_frames=n_last, ended_utc=ended_utc, outcome=outcome)
    return tuple(parts)


def _check(outcome: Mapping[str, Any], where: str) -> None:
    for key, value in outcome.items():
        name = f"{where}{key[:60]}"
        if key in {"state", "outcome", "stabilised_reason"}:
            values.text(value, name)
        elif key in _NUMBERS_OF_SCORE and value is not None:
            values.number(value, name, 0, 1)
        elif key == "interval_s" and value is not None:
            values.number(value, name, 0, 1e9)
        elif key in _COUNTS_OF_SCORE and value is not None:
            values.integer(value, name, 0, 1 << 60)
        elif key in {"interval", "threshold_interval"} and value is not None:
            low, high = values.numbers(value, name, 2)
            if not 0 <= low <= high <= 1:
                raise ValueError(f"{name} is {value}, not a low and a high end of 0 to 1")
        elif key in {"interval_valid", "stabilised"}:
            values.flag(value, name)
        elif key in {"counts", "tiles_excluded"}:
            for one, n in values.object_of(value, name).items():
                values.integer(n, f"{name}.{one[:60]}", 0, 1 << 60)
        elif key in {"rates", "latency_ms", "readings"}:
            values.scalars(value, name)
        elif key == "drawn_sample" and value is not None:
            _sample_counts(value, name)
        elif key == "weight":
            values.choice(value, name, get_args(ScoreWeight))
        elif key == "excluded_bounds":
            _excluded_bounds(value, name)
        elif key == "drift":
            _drift(value, name)
        elif key == "retaken":
            _retaken(value, name)
        elif key in {"excluded_by_operator", "set_aside"}:
            if not isinstance(value, list):
                raise ValueError(f"{name} is no list")
            for seq in value:
                values.integer(seq, name, 0, 1 << 40)
        elif key == "decision" and value is not None:
            values.choice(value, name, ("low", "high"))
        elif key in {"cause", "degraded", "store", "animal_id", "section_id", "spoilt"} and value is not None:
            values.text(value, name)


def _section_score(outcome: Mapping[str, Any]) -> SectionScore | None:
    interval = _interval(outcome)
    if interval is None or outcome.get("score") is None:
        return None
    own = outcome.get("threshold_interval")
    try:
        return SectionScore(
            score=float(outcome["score"]),
            interval=interval,
            interval_frames=int(outcome["interval_frames"]),
            interval_valid=bool(outcome["interval_valid"]),
            confidence=float(outcome["confidence"]),
            threshold=float(outcome["threshold"]),
            stabilised=bool(outcome["stabilised"]),
            stabilised_reason=str(outcome["stabilised_reason"]),
            frames=int(outcome["frames"]),
            tiles=int(outcome["tiles"]),
            tiles_excluded=dict(outcome["tiles_excluded"]),
            fields_excluded_by_operator=int(outcome.get("fields_excluded_by_operator") or 0),
            spoilt=outcome.get("spoilt") or None,
            sample=_sample_counts(outcome.get("drawn_sample"), "drawn_sample"),
            threshold_interval=None if own is None else (float(own[0]), float(own[1])),
            weight=outcome.get("weight", "field"),
            n_lattice=outcome.get("lattice_fields"),
            excluded_bounds=_excluded_bounds(outcome.get("excluded_bounds"), "excluded_bounds"),
            drift=_drift(outcome.get("drift"), "drift"),
            retaken=_retaken(outcome.get("retaken", []), "retaken"),
            set_aside=tuple(outcome.get("set_aside", ())),
        )
    except (KeyError, TypeError):  # a part is missing, or null
        return None


def _sample_counts(value: object, name: str) -> SampleCounts | None:
    if value is None:
        return None
    found = values.object_of(value, name)
    drawn, reached, beside = (
        values.integer(values.member(found, key, f"{name}."), f"{name}.{key}", 0, 1 << 40)
        for key in ("drawn", "reached", "not_of_sample")
    )
    skipped = values.object_of(values.member(found, "skipped", f"{name}."), f"{name}.skipped")
    by_reason = {
        cast("SkipReason", values.choice(reason, f"{name}.skipped", SKIP_REASONS)): values.integer(n, name, 0, 1 << 40)
        for reason, n in skipped.items()
    }
    return SampleCounts(drawn, reached, by_reason, beside)


def _retaken(value: object, name: str) -> dict[int, int]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - one kind of error for one kind of damage
    found = {}
    for one in value:
        pair = values.object_of(one, name)
        field, seq = (
            values.integer(values.member(pair, key, f"{name}."), f"{name}.{key}", 0, 1 << 40)
            for key in ("field", "frame")
        )
        found[field] = seq
    return found


def _excluded_bounds(value: object, name: str) -> ExcludedBounds | None:
    if value is None:
        return None
    found = values.object_of(value, name)
    low, high = (
        float(values.number(values.member(found, key, f"{name}."), f"{name}.{key}", 0, 1)) for key in ("low", "high")
    )
    n = values.integer(values.member(found, "fields", f"{name}."), f"{name}.fields", 0, 1 << 40)
    return ExcludedBounds(n, low, high)


def _drift(value: object, name: str) -> Drift | None:
    if value is None:
        return None
    found = values.object_of(value, name)
    found_in = values.member(found, "found_in", f"{name}.")
    if not isinstance(found_in, list):
        raise ValueError(f"{name}.found_in is no list")  # noqa: TRY004 - one kind of error for one kind of damage
    return Drift(
        values.integer(values.member(found, "fields", f"{name}."), f"{name}.fields", 0, 1 << 40),
        float(values.number(values.member(found, "evidence", f"{name}."), f"{name}.evidence", 0)),
        tuple(values.text(one, f"{name}.found_in") for one in found_in),
    )


def _lasting_reason(outcome: Mapping[str, Any]) -> str | None:
    if outcome.get("spoilt"):
        return str(outcome["spoilt"])
    if "spoilt" not in outcome and outcome.get("state") == "failed" and outcome.get("interval_valid") is False:
        return "the run failed, and no interval was valid then"
    return None


def _interval(outcome: Mapping[str, Any]) -> tuple[float, float] | None:
    interval = outcome.get("interval")
    return None if interval is None else (float(interval[0]), float(interval[1]))


def _outline(plan: TagValue) -> tuple[tuple[float, float], ...] | None:
    if not isinstance(plan, str):
        return None
    try:
        points = tuple((float(x), float(y)) for x, y in json.loads(plan).get("outline_um"))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return points if points and all(math.isfinite(one) for point in points for one in point) else None


def _text_or_none(value: TagValue) -> str | None:
    return value if isinstance(value, str) else None


def _ends_or_none(low: float | None, high: float | None) -> tuple[float, float] | None:
    return (low, high) if low is not None and high is not None and 0 <= low <= high <= 1 else None


def _number_or_none(value: TagValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _float_or_none(value: float | None) -> float | None:
    return None if value is None else float(value)
