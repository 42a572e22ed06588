"""The report of an animal as a document: its score over the sections of a folder, and each of them in short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.formatting import counted, format_utc, sentence
from hcc_scope.report.document import Document, Drawing, Figure, Figures, Heading, Paragraph, Table
from hcc_scope.report.drawings import field_map, heat_legend, score_scale, tile_map
from hcc_scope.report.store_hashes import hash_rows
from hcc_scope.research_use import phantom_alarm, research_use
from hcc_scope.score_text import SCORE_DECIMALS, describe_score
from hcc_scope.validation_text import SCORE_MEANING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hcc_scope.report.document import Block
    from hcc_scope.report.page import PageFacts

__all__ = ["AnimalFacts", "AnimalSection", "ScoreOfModel", "animal_document", "section_in_short"]


@dataclass(frozen=True, slots=True)
class AnimalSection:
    """One section in the report of its animal."""

    section_id: str
    row: tuple[str, ...]
    """Its cells in the table of all sections."""
    blocks: tuple[Block, ...]
    """Its score on the scale, and its maps."""
    link: str
    """Relative address of its own page."""
    threshold: float
    research_use: str
    alarm: str
    versions: tuple[tuple[str, str], ...]
    """Names and hashes of what it rests on."""


@dataclass(frozen=True, slots=True)
class ScoreOfModel:
    """The animal's score over the sections that one model scored."""

    model: str
    score: float
    words: str
    """The mean with its interval, or why it has none; half a sentence."""
    evidence: str
    """What it is evidence of, as sentences; empty if not known."""


@dataclass(frozen=True, slots=True)
class AnimalFacts:
    """The facts of an animal's report."""

    animal_id: str
    scores: Sequence[ScoreOfModel]
    """Most sections first; scores of two models do not compare."""
    sections: Sequence[AnimalSection]
    problems: Sequence[str]
    """Sections that are not among them, and why; half sentences."""
    made_utc: datetime


_HEADS = ("section", "acquired", "score", "fields", "left out", "run")


def section_in_short(
    facts: PageFacts, *, link: str, acquired: str, fields: str, left_out: str, ended: str
) -> AnimalSection:
    """Return a section as the report of its animal shows it.

    Parameters
    ----------
    facts : PageFacts
        Of the section's own report.
    link : str
        Relative address of that report.
    acquired, fields, left_out, ended : str
        As lists of sections have them.
    """
    spec, provenance = facts.store.spec, facts.store.recorded.provenance
    name = facts.store.path.name
    return AnimalSection(
        section_id=spec.section_id,
        row=(spec.section_id, acquired, sentence(describe_score(facts.score)), fields, left_out, ended),
        blocks=(
            Paragraph(sentence(describe_score(facts.score))),
            Drawing(score_scale(facts.score)),
            Figures(
                [
                    Figure("Fields where they lie", svg=field_map(facts.picture)),
                    Figure("Tiles by their probability of high", svg=tile_map(facts.picture)),
                ]
            ),
        ),
        link=link,
        threshold=facts.picture.threshold,
        research_use=research_use(provenance.model_trained_on),
        alarm=phantom_alarm(provenance.model_trained_on, spec.provenance),
        versions=tuple((f"{name}: {what}", value) for what, value in hash_rows(facts.store)),
    )


def animal_document(facts: AnimalFacts) -> Document:
    """Return the report of an animal."""
    made = format_utc(facts.made_utc, seconds=False)
    lines = list(dict.fromkeys(one.research_use for one in facts.sections))
    return Document(
        title=f"Animal {facts.animal_id}",
        subtitle=f"{counted(len(facts.sections), 'section')} in this folder. Report made {made}.",
        # sections of several models: the line that names none
        research_use=lines[0] if len(lines) == 1 else research_use(None),
        blocks=[
            *(Paragraph(alarm, "alarm") for alarm in dict.fromkeys(one.alarm for one in facts.sections if one.alarm)),
            *(Paragraph(sentence(problem), "warn") for problem in facts.problems),
            *_scores(facts),
            Heading("Sections"),
            Table(
                _HEADS,
                [one.row for one in facts.sections],
                widths=(3, 3, 6, 2, 4, 3),
                links={n: one.link for n, one in enumerate(facts.sections)},
            ),
            *_each(facts.sections),
            Heading("How it was made"),
            Table(("what", "value"), [row for one in facts.sections for row in one.versions]),
        ],
        made_utc=facts.made_utc,
    )


def _scores(facts: AnimalFacts) -> Iterator[Block]:
    if not facts.scores:
        yield Paragraph("No score: no section of the animal has one.")
        return
    if len(facts.scores) > 1:
        yield Paragraph("Several models scored the sections; scores of two models do not compare.", "warn")
    for one in facts.scores:
        yield Paragraph(f"{one.score:.{SCORE_DECIMALS}f}", "score")
        yield Paragraph(f"{sentence(one.words)} Model {one.model}.")
        if one.evidence:
            yield Paragraph(one.evidence)
    yield Paragraph(
        f"{sentence(SCORE_MEANING)} The interval is about the mean over these sections, not over others of the animal.",
        "quiet",
    )


def _each(sections: Sequence[AnimalSection]) -> Iterator[Block]:
    """Yield each section in short, with the colours of its tiles where the threshold is another than before."""
    threshold = None
    for one in sections:
        yield Heading(f"Section {one.section_id}")
        yield from one.blocks
        if one.threshold != threshold:
            threshold = one.threshold
            yield Drawing(heat_legend(threshold))
