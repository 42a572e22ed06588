"""A section's report as one self-contained HTML page: no script, no font, no external picture.

The facts of the page are collected here; its looks are in ``templates/section.html.j2``, which escapes every value.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.formatting import (
    capital,
    counted,
    format_number,
    format_score,
    format_utc,
    sentence,
    significant,
)
from hcc_scope.inference.card_evaluation import StatementRecord
from hcc_scope.position_tags import POSITION_TAG, describe_origin, position_origin
from hcc_scope.quality import FLAG_TEXTS, describe_reason_counts
from hcc_scope.report.acquired_text import describe_acquired
from hcc_scope.report.drawings import course_chart, examples, field_map, heat_legend, score_scale, tile_map
from hcc_scope.report.logo import logo_svg
from hcc_scope.research_use import phantom_alarm, research_use
from hcc_scope.score_text import (
    SAMPLING_TEXTS,
    SCORE_DECIMALS,
    describe_assumed_threshold,
    describe_drift,
    describe_excluded_bounds,
    describe_interval,
    describe_lattice,
    describe_score,
    describe_stability,
    format_confidence,
    format_section_score,
    format_section_threshold,
)
from hcc_scope.scoring import frame_score
from hcc_scope.storage.section_labels import describe_label
from hcc_scope.templates import environment
from hcc_scope.theme_colours import css_variables
from hcc_scope.validation_text import SCORE_MEANING, describe_animal, describe_statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hcc_scope.report.hand_account import HandAccount
    from hcc_scope.report.overview import SectionPicture
    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.recorded_run import Provenance
    from hcc_scope.types import FrameResult, SampleCounts, SectionScore

__all__ = ["AnimalMean", "PageFacts", "render"]


@dataclass(frozen=True, slots=True)
class AnimalMean:
    """The score of the section's animal, by the same model."""

    score: float
    n_sections: int
    where: str
    """Which folders hold them, for a sentence."""
    remark: str = ""
    """Which stores it is without, as half a sentence; empty if all count."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """The facts of the page."""

    store: SectionStore
    results: Mapping[int, FrameResult]
    notes: Sequence[Note]
    excluded: Mapping[int, str]
    """Fields that an operator excluded, and why, by the present notes."""
    score: SectionScore
    """Without those fields."""
    score_of_all: SectionScore
    """With them."""
    threshold_known: bool
    problems: Sequence[str]
    picture: SectionPicture
    """What is drawn of it."""
    made_utc: datetime
    by_hand: HandAccount | None = None
    """How the fields were captured by hand; None for a section that was not."""
    animal: AnimalMean | None = None
    """None where it is not known."""
    prevalence: float | None = None
    """Share of animals that are high, as the user states it."""


@dataclass(frozen=True, slots=True)
class _FieldRow:
    """One field's line in the table of all fields."""

    seq: int
    place: str
    state: str
    score: str
    why: str
    excluded: str | None
    """Why the operator excluded it; None if it is in."""


def render(facts: PageFacts) -> str:
    """Return the page."""
    provenance = facts.store.recorded.provenance
    specimen, trained_on = provenance.specimen, provenance.model_trained_on
    return (
        environment("hcc_scope.report")
        .get_template("section.html.j2")
        .render(
            title=f"Section {facts.store.spec.section_id} of animal {facts.store.spec.animal_id}",
            events=_course_of_events(facts),
            research_use=research_use(trained_on),
            alarm=phantom_alarm(trained_on, facts.store.spec.provenance),
            warnings=[
                *([] if facts.by_hand is None else map(sentence, facts.by_hand.remarks())),
                *([f"The specimen: {specimen}."] if specimen else []),
                *(sentence(problem) for problem in facts.problems),
            ],
            score=capital(format_section_score(facts.score)),
            has_score=facts.score.score is not None,
            meaning=sentence(SCORE_MEANING),
            score_sentence=sentence(describe_score(facts.score)),
            statement=_statement(facts),
            animal=_animal(facts),
            stability=_stability(facts.score),
            score_warnings=_score_warnings(facts),
            coverage=_coverage(facts),
            by_hand=[] if facts.by_hand is None else facts.by_hand.rows(),
            excluded=[
                (f"field {seq}", why or "no reason given")
                for seq, why in facts.excluded.items()
                if seq not in facts.score.set_aside
            ],
            score_of_all=_score_of_all(facts.score_of_all),
            colours=css_variables(),
            logo=logo_svg(in_page=True),
            scale=score_scale(facts.score),
            course=course_chart(facts.picture, format_section_threshold(facts.score)),
            field_map=field_map(facts.picture),
            tile_map=tile_map(facts.picture),
            heat_legend=heat_legend(facts.picture.threshold),
            examples=examples(facts.picture),
            notes=_notes(facts.notes),
            fields=_fields(facts),
            provenance=_provenance(facts),
        )
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.{SCORE_DECIMALS}f}"


def _course_of_events(facts: PageFacts) -> str:
    run = facts.store.recorded
    state = "unfinished" if run.state is None else run.state
    made = format_utc(facts.made_utc, seconds=False)
    acquired = describe_acquired(run)
    when = acquired if acquired[0].isdigit() else f"at {acquired}"
    return f"Acquired {when}, run {state}. Report made {made}."


def _record(facts: PageFacts) -> StatementRecord | None:
    return StatementRecord.from_json(facts.store.recorded.provenance.statement)


def _statement(facts: PageFacts) -> list[str]:
    """Return what the verdict is worth, as sentences; none without a score."""
    return [] if facts.score.score is None else describe_statement(_record(facts), facts.score, facts.prevalence)


def _animal(facts: PageFacts) -> list[str]:
    """Return the mean over the animal's sections, and what it is evidence of; none without a score."""
    mean = facts.animal
    if facts.score.score is None or mean is None:
        return []
    of = f"mean of {counted(mean.n_sections, 'section')} of animal {facts.store.spec.animal_id} in {mean.where}"
    text = "; ".join(filter(None, (f"{of}: {mean.score:.{SCORE_DECIMALS}f}", mean.remark)))
    return [one for one in (sentence(text), describe_animal(_record(facts), mean.score)) if one]


def _stability(score: SectionScore) -> str:
    """Return whether more fields would change the score much, and what the interval is; empty without a valid one."""
    stability = describe_stability(score)
    if not stability or not describe_interval(score):
        return ""
    text = (
        f"{sentence(stability)} Interval: {format_confidence(score)} confidence sequence, valid at every moment for "
        "fields sampled at random."
    )
    if lattice := describe_lattice(score):
        text += f" {sentence(lattice)}"
    if score.sample is not None and score.sample.skipped.get("not reachable"):
        text += " Fields that were not reachable count as 0 for its lower end, and as 1 for its upper end."
    return text


def _score_warnings(facts: PageFacts) -> list[str]:
    """Return what limits the score: a threshold that is assumed, or a run that ended with another score."""
    score, warnings = facts.score, []
    if score.score is not None and not facts.threshold_known:
        warnings.append(describe_assumed_threshold(score.threshold))
    outcome = facts.store.recorded.outcome
    recorded = None if outcome is None else outcome.score
    if recorded is not None and recorded != score.score:
        warnings.append(
            f"The run ended with a score of {format_score(recorded, score.score, SCORE_DECIMALS)}: the operator's "
            "exclusions, or the predictions, were changed since."
        )
    return warnings


def _coverage(facts: PageFacts) -> list[tuple[str, str]]:
    outcomes = Counter(result.outcome for result in facts.results.values())
    score, n = facts.score, facts.store.n_frames
    outcome = facts.store.recorded.outcome
    lost = 0 if outcome is None else outcome.lost_frames
    rows = [
        ("fields stored", str(n)),
        ("classified", str(outcomes["classified"])),
        ("excluded: no tile was usable", str(outcomes["excluded"])),
        ("failed", str(outcomes["failed"])),
        ("not analysed", str(n - sum(outcomes.values()))),
        ("excluded by the operator", str(score.fields_excluded_by_operator)),
        ("fields in the score", str(score.frames)),
        ("fields that the interval rests on", str(score.interval_frames)),
        ("tiles in the score", str(score.tiles)),
    ]
    if score.set_aside:
        rows.append(("fields taken again", str(len(score.retaken))))
        rows.append(("frames that another one of their field replaces", str(len(score.set_aside))))
    if score.weight == "tissue":
        rows.append(("a field counts in the score", "as many as it has usable tiles"))
    if score.n_lattice is not None:
        rows.append(("fields of the lattice that random fields come from", str(score.n_lattice)))
    if score.excluded_bounds is not None:
        rows.append(("score at the extremes of the fields without one", describe_excluded_bounds(score)))
    if drift := describe_drift(score):
        rows.append(("drift over the order of fields", drift))
    if score.sample is not None:
        rows += _sample_rows(score.sample)
    if lost:
        imported = facts.store.spec.sampling == "imported"
        what = "left out of the import: not readable" if imported else "lost before they could be stored"
        rows.append((what, str(lost)))
    if outcome is not None and outcome.skipped_fields:
        rows.append(("skipped: not reached by the stage", str(outcome.skipped_fields)))
    rows += [
        (f"tiles excluded: {text.name}", str(score.tiles_excluded[text.key]))
        for text in FLAG_TEXTS.values()
        if text.key in score.tiles_excluded
    ]
    return rows


def _sample_rows(sample: SampleCounts) -> list[tuple[str, str]]:
    """Return what became of the drawn fields of a guided section."""
    rows = [("random fields drawn", str(sample.drawn)), ("drawn fields captured", str(sample.reached))]
    rows += [(f"drawn fields skipped: {reason}", str(n)) for reason, n in sample.skipped.items()]
    if sample.not_of_sample:
        rows.append(("frames that are not of the sample, not in the score", str(sample.not_of_sample)))
    return rows


def _score_of_all(score: SectionScore) -> str:
    """Return what the score would be with every field."""
    if score.score is None:
        return "With every field there would be no score either."
    number = ", ".join(filter(None, (format_section_score(score), describe_interval(score))))
    return (
        f"With every field the score would be {number}. Excluding fields because of their score would bias it; the "
        "interval does not allow for that."
    )


def _notes(notes: Sequence[Note]) -> list[tuple[str, str]]:
    return [
        (
            f"{format_utc(note.t_utc, seconds=False)}, {'section' if note.seq is None else f'field {note.seq}'}",
            _note_text(note),
        )
        for note in notes
        if note.kind in ("note", "spoilt", "label") or (note.kind == "retake" and note.replaces is not None)
    ]


def _note_text(note: Note) -> str:
    match note.kind:
        case "spoilt":
            return f"no valid interval: {note.text}"
        case "retake":
            return f"takes field {note.replaces} again: {note.text}"
        case "label":
            return describe_label(note.text)
        case _:
            return note.text


def _fields(facts: PageFacts) -> list[_FieldRow]:
    rows = []
    for seq, entry in enumerate(facts.store.journal):
        result = facts.results.get(seq)
        place = "" if entry is None else _place(entry)
        if entry is None:
            why = "its line in the journal is unreadable"
        elif result is None:
            why = ""
        else:
            why = result.error or "" if result.outcome == "failed" else ", ".join(_excluded_tiles(result))
        if seq in facts.score.set_aside:
            why = "; ".join(filter(None, (why, "does not count: another frame shows this field")))
        rows.append(
            _FieldRow(
                seq=seq,
                place=place,
                state="not analysed" if result is None else result.outcome,
                score="" if result is None else _number(frame_score(result)),
                why=why,
                excluded=facts.excluded[seq] or "yes" if seq in facts.excluded else None,
            )
        )
    return rows


def _place(entry: JournalEntry) -> str:
    """Return where a field is and, where the pictures gave it, how well that is known; empty without a stage."""
    if entry.stage_um is None:
        return "not known" if POSITION_TAG in entry.tags else ""
    how = describe_origin(position_origin(entry.tags, has_position=True))
    return f"{entry.stage_um[0]:.0f}, {entry.stage_um[1]:.0f}{f' ({how})' if how else ''}"


def _excluded_tiles(result: FrameResult) -> tuple[str, ...]:
    counts = {text.key: int(np.count_nonzero(result.flags & flag.value)) for flag, text in FLAG_TEXTS.items()}
    return describe_reason_counts(counts)


def _unlike(provenance: Provenance) -> list[tuple[str, str]]:
    """Return what was done with tiles unlike the model's training tiles; nothing if the model measures no distance."""
    beyond = provenance.unlike_threshold
    if beyond is None:
        return []
    done = "scored nevertheless" if provenance.score_unlike else "not scored"
    return [("tiles unlike training", f"{done} (distance beyond {significant(beyond, 4)})")]


def _provenance(facts: PageFacts) -> list[tuple[str, str]]:
    spec, provenance = facts.store.spec, facts.store.recorded.provenance
    engines = sorted({result.engine for result in facts.results.values() if result.engine})
    rows = [
        ("store", facts.store.path.name),
        ("frames", f"{spec.frame_shape_yx[1]} x {spec.frame_shape_yx[0]} px, {spec.bit_depth} bit"),
        ("pixel size", f"{significant(spec.pixel_size_um, 4)} um"),
        ("fields", SAMPLING_TEXTS[spec.sampling]),
        ("model", provenance.model or "not recorded"),
        ("model sha256", spec.model_sha256 or "not recorded"),
        ("engine", "; ".join(engines) or "none"),
        ("threshold", format_number(facts.score.threshold, 6)),
        *_unlike(provenance),
        ("correction of frames", provenance.correction),
        ("camera", f"{provenance.camera or ''} ({provenance.camera_library or 'unknown'})".strip()),
        ("rig configuration sha256", spec.rig_sha256 or "not recorded"),
    ]
    software = facts.store.attributes.get("software") or {}
    rows += [(name, str(value)) for name, value in sorted(software.items())]
    return rows
