"""The report of a section as a document: its facts in sentences, tables and drawings, in a careful reader's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.formatting import capital, counted, format_score, format_utc, sentence, significant
from hcc_scope.inference.card_evaluation import StatementRecord
from hcc_scope.report.acquired_text import acquired_word, describe_acquired, describe_ended
from hcc_scope.report.coverage_rows import coverage_rows, exclusion_rows, field_table
from hcc_scope.report.document import Document, Drawing, Figure, Figures, Heading, Paragraph, Table
from hcc_scope.report.drawings import course_chart, field_examples, field_map, heat_legend, score_scale, tile_map
from hcc_scope.report.microscope_rows import focus_rows, reading_rows, setting_rows, shading_rows
from hcc_scope.report.model_rows import ReportModel, model_rows
from hcc_scope.report.overview import display_window
from hcc_scope.report.store_hashes import hash_rows
from hcc_scope.report.tile_examples import choose_tiles, tile_figures
from hcc_scope.research_use import phantom_alarm, research_use
from hcc_scope.score_text import (
    SAMPLING_TEXTS,
    SCORE_DECIMALS,
    describe_assumed_threshold,
    describe_interval,
    describe_lattice,
    describe_score,
    describe_stability,
    format_confidence,
    format_section_score,
    format_section_threshold,
)
from hcc_scope.storage.section_labels import describe_label, label_of
from hcc_scope.validation_text import SCORE_MEANING, describe_animal, describe_statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from hcc_scope.report.document import Block
    from hcc_scope.report.hand_account import HandAccount
    from hcc_scope.report.overview import SectionPicture
    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult, SectionScore

__all__ = ["AnimalMean", "PageFacts", "section_document"]


@dataclass(frozen=True, slots=True)
class AnimalMean:
    """The score of the section's animal, by the same model."""

    score: float
    n_sections: int
    where: str
    """Which folders hold them, for a sentence."""
    remark: str = ""
    """Which stores it is without, as half a sentence; empty if all count."""


_MOST_UNREADABLE = 3
"""Fields that cannot be read and are named."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """The facts of the page."""

    store: SectionStore
    results: Mapping[int, FrameResult]
    notes: Sequence[Note]
    excluded: Mapping[int, str]
    """Fields that an operator excluded, and why, by the present notes."""
    out: Mapping[int, str]
    """All frames that are out of the score, and why (`hcc_scope.storage.frames_out`)."""
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
    model: ReportModel = field(default_factory=ReportModel)


def section_document(facts: PageFacts) -> Document:
    """Return the report; reads the frames of the tiles that it shows."""
    provenance = facts.store.recorded.provenance
    return Document(
        title=f"Section {facts.store.spec.section_id} of animal {facts.store.spec.animal_id}",
        subtitle=_course_of_events(facts),
        research_use=research_use(provenance.model_trained_on),
        blocks=[
            *_warnings(facts),
            *_score(facts),
            *_animal(facts),
            Heading("The section"),
            Table(("what", "value"), _identity(facts)),
            *_maps(facts.picture),
            *_coverage(facts),
            Heading("The score's course"),
            Drawing(course_chart(facts.picture, format_section_threshold(facts.score))),
            *_tiles(facts),
            *_notes(facts.notes),
            *_microscope(facts),
            Heading("The model in short"),
            Table(("what", "value"), model_rows(facts.store, facts.model, facts.score.threshold)),
            Heading("How it was made"),
            Table(("what", "value"), _versions(facts)),
        ],
        made_utc=facts.made_utc,
        page_only=[
            Heading("Every field"),
            field_table(facts.store, facts.results, facts.score, facts.excluded, facts.out),
        ],
        not_on_paper="Every field is listed in the HTML page of this report.",
    )


def _course_of_events(facts: PageFacts) -> str:
    run = facts.store.recorded
    state = "unfinished" if run.state is None else run.state
    made = format_utc(facts.made_utc, seconds=False)
    acquired = describe_acquired(run)
    when = acquired if acquired[0].isdigit() else f"at {acquired}"
    return f"{acquired_word(facts.store.spec.sampling)} {when}, run {state}. Report made {made}."


def _warnings(facts: PageFacts) -> Iterator[Block]:
    provenance = facts.store.recorded.provenance
    if alarm := phantom_alarm(provenance.model_trained_on, facts.store.spec.provenance):
        yield Paragraph(alarm, "alarm")
    warnings = [] if facts.by_hand is None else [*facts.by_hand.remarks()]
    if provenance.specimen:
        warnings.append(f"the specimen: {provenance.specimen}")
    for words in (*warnings, *facts.problems, *_unreadable(facts.picture.unreadable)):
        yield Paragraph(sentence(words), "warn")


def _unreadable(found: Sequence[str]) -> Iterator[str]:
    """Yield that fields cannot be drawn, with the reasons of the first ones."""
    if found:
        more = f"; and {len(found) - _MOST_UNREADABLE:,} more" if len(found) > _MOST_UNREADABLE else ""
        yield f"{counted(len(found), 'field')} not drawn: {'; '.join(found[:_MOST_UNREADABLE])}{more}"


# ---- the score ------------------------------------------------------------------------------------------------------


def _score(facts: PageFacts) -> Iterator[Block]:
    """Yield the score, what it is, what it is worth and what limits it."""
    score = facts.score
    yield Paragraph(capital(format_section_score(score)), "score")
    yield Drawing(score_scale(score))
    if score.score is not None:
        yield Paragraph(sentence(SCORE_MEANING))
    yield Paragraph(sentence(describe_score(score)))
    if score.score is not None:
        for text in describe_statement(_record(facts), score, facts.prevalence):
            yield Paragraph(text)
    if stability := _stability(score):
        yield Paragraph(stability, "quiet")
    for warning in _score_warnings(facts):
        yield Paragraph(warning, "warn")


def _record(facts: PageFacts) -> StatementRecord | None:
    return StatementRecord.from_json(facts.store.recorded.provenance.statement)


def _animal(facts: PageFacts) -> Iterator[Block]:
    """Yield the mean over the animal's sections, and what it is evidence of; nothing without a score."""
    mean = facts.animal
    if facts.score.score is None or mean is None:
        return
    yield Heading("The animal")
    of = f"Mean of {counted(mean.n_sections, 'section')} of animal {facts.store.spec.animal_id} in {mean.where}"
    yield Paragraph(sentence("; ".join(filter(None, (f"{of}: {mean.score:.{SCORE_DECIMALS}f}", mean.remark)))))
    if evidence := describe_animal(_record(facts), mean.score):
        yield Paragraph(evidence)


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


# ---- the section ----------------------------------------------------------------------------------------------------


def _identity(facts: PageFacts) -> list[tuple[str, str]]:
    spec, run = facts.store.spec, facts.store.recorded
    n_fields = facts.store.n_frames - len(facts.score.set_aside)
    rows = [
        ("animal", spec.animal_id),
        ("section", spec.section_id),
        ("specimen", run.provenance.specimen or "not recorded"),
        (acquired_word(spec.sampling).lower(), describe_acquired(run)),
        ("run", describe_ended(run, n_fields, spec.expected_frames)),
        ("fields", f"{n_fields:,}: {SAMPLING_TEXTS[spec.sampling]}"),
        ("store", facts.store.path.name),
    ]
    label = label_of(facts.notes)
    return rows if label is None else [*rows, ("label", describe_label(label))]


def _maps(picture: SectionPicture) -> Iterator[Block]:
    yield Heading("Fields and tiles")
    yield Figures(
        [
            Figure("Fields where they lie", svg=field_map(picture)),
            Figure("Tiles by their probability of high", svg=tile_map(picture)),
        ]
    )
    yield Drawing(heat_legend(picture.threshold))
    if found := field_examples(picture):
        yield Figures(found, columns=3)


def _coverage(facts: PageFacts) -> Iterator[Block]:
    """Yield how many fields count, how they were captured, and what was left out for which reason."""
    score = facts.score
    yield Heading("Coverage")
    yield Table(("what", "how many"), coverage_rows(facts.store, facts.results, score))
    if facts.by_hand is not None and (rows := facts.by_hand.rows()):
        yield Heading("Captured by hand")
        yield Table(("what", "how many"), rows)
    yield Heading("Exclusions by reason")
    if reasons := exclusion_rows(facts.results, score, facts.excluded, facts.out):
        yield Table(("what", "reason", "how many"), reasons, widths=(1, 4, 1))
    else:
        yield Paragraph("Nothing was excluded.", "quiet")
    if rows := [
        (f"field {seq}", why or "no reason given") for seq, why in facts.excluded.items() if seq not in score.set_aside
    ]:
        yield Heading("Fields excluded by the operator")
        yield Table(("field", "reason"), rows)
        yield Paragraph(_score_of_all(facts.score_of_all))


def _score_of_all(score: SectionScore) -> str:
    """Return what the score would be with every field."""
    if score.score is None:
        return "With every field there would be no score either."
    number = ", ".join(filter(None, (format_section_score(score), describe_interval(score))))
    return (
        f"With every field the score would be {number}. Excluding fields because of their score would bias it; the "
        "interval does not allow for that."
    )


def _tiles(facts: PageFacts) -> Iterator[Block]:
    """Yield the most and the least typical tiles, with their saliency."""
    median, chosen = choose_tiles(facts.results.values(), facts.out)
    if not chosen:
        return
    spec, threshold = facts.store.spec, facts.score.threshold
    yield Heading("Typical tiles")
    size = f", {significant(spec.tile_px * spec.pixel_size_um)} um" if spec.pixel_size_um > 0 else ""
    yield Paragraph(
        f"The median probability of the tiles in the score is {format_score(median, threshold)}. Typical tiles are "
        f"nearest to it, least typical ones are farthest from it, on either side; at most one of each field. A tile is "
        f"{spec.tile_px} px{size} a side."
    )
    saliency = facts.model.saliency
    if saliency is not None:
        yield Paragraph(
            "Saliency shows where a small change of a count would change the answer, not why, relative to its own "
            "tile; it is no proof that the model looks at the right thing.",
            "quiet",
        )
    problems = [] if saliency is not None else ["there is no saliency: it takes the model, which was not given"]
    for group, title in (("typical", "Most typical"), ("least typical", "Least typical")):
        tiles = [one for one in chosen if one.group == group]
        if not tiles:
            continue
        found = tile_figures(facts.store, tiles, saliency, display_window(facts.picture), threshold)
        problems += found.problems
        yield Heading(title, level=3)
        if found.tiles:
            yield Figures(found.tiles, columns=3)
        if found.overlays:
            yield Figures(found.overlays, columns=3)
    for problem in dict.fromkeys(problems):
        yield Paragraph(sentence(problem), "quiet")


def _notes(notes: Sequence[Note]) -> Iterator[Block]:
    rows = [
        (
            f"{format_utc(note.t_utc, seconds=False)}, {'section' if note.seq is None else f'field {note.seq}'}",
            _note_text(note),
        )
        for note in notes
        if note.kind in ("note", "spoilt", "label") or (note.kind == "retake" and note.replaces is not None)
    ]
    yield Heading("Notes")
    yield Table(("when and what about", "note"), rows) if rows else Paragraph("None.", "quiet")


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


# ---- how it was made ------------------------------------------------------------------------------------------------


def _microscope(facts: PageFacts) -> Iterator[Block]:
    outcome = facts.store.recorded.outcome
    readings = {} if outcome is None else outcome.readings
    yield Heading("Settings")
    yield Table(("what", "value"), [*setting_rows(facts.store), *reading_rows(readings)])
    rows, warnings = focus_rows(facts.store, facts.score)
    yield Heading("Focus")
    for warning in warnings:
        yield Paragraph(sentence(warning), "warn")
    yield Table(("what", "value"), rows)
    yield Heading("Shading")
    yield Table(("what", "value"), shading_rows(facts.store))


def _versions(facts: PageFacts) -> list[tuple[str, str]]:
    engines = sorted({result.engine for result in facts.results.values() if result.engine})
    software = facts.store.attributes.get("software") or {}
    return [
        *hash_rows(facts.store),
        ("engine", "; ".join(engines) or "none"),
        *((name, str(value)) for name, value in sorted(software.items())),
    ]
