"""A section's report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from hcc_scope.formatting import (
    format_number,
    format_score,
    format_threshold,
    format_utc,
    full_stop,
    percent,
    sentence,
    significant,
)
from hcc_scope.report.score_text import describe_score
from hcc_scope.report.summary import decision
from hcc_scope.research_use import phantom_alarm, research_use
from hcc_scope.scoring import frame_score
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from hcc_scope.storage.notes import Note
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.recorded_run import Provenance
    from hcc_scope.types import FrameResult, SectionScore

__all__ = ["PageFacts", "render"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.use { border: 2px solid #1b1f24; padding: .4rem .8rem; font-weight: 600; margin: 1rem 0; }
.score { font-size: 2.6rem; font-weight: 700; margin: .2rem 0 0; } .quiet { color: #57606a; }
.alarm { color: #a40e26; border: 2px solid #a40e26; padding: .4rem .8rem; font-weight: 600; }
.warn { border-left: 4px solid #9a6700; padding: .2rem .8rem; background: #fff8c5; }
img { max-width: 100%; height: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #d0d7de; vertical-align: top; }
td.n { font-variant-numeric: tabular-nums; } th { font-weight: 600; }
.out td { text-decoration: line-through; } .out td.keep { text-decoration: none; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page says."""

    store: SectionStore
    results: Mapping[int, FrameResult]
    notes: Sequence[Note]
    excluded: Mapping[int, str]
    """Fields that an operator took out, and why, as the notes stand."""
    score: SectionScore
    """Without those fields."""
    score_of_all: SectionScore
    """With them."""
    threshold_known: bool
    problems: Sequence[str]
    picture: str
    """The overview as a PNG in base64."""
    made_utc: datetime


def render(facts: PageFacts) -> str:
    """Return the page."""
    spec = facts.store.spec
    title = f"Section {spec.section_id} of animal {spec.animal_id}"
    provenance = facts.store.recorded.provenance
    specimen, trained_on = provenance.specimen, provenance.model_trained_on
    use, alarm = research_use(trained_on), phantom_alarm(trained_on, spec.provenance)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(_course_of_events(facts))}</p>',
        f'<p class="use">{escape(use)}</p>',
        f'<p class="alarm">{escape(alarm)}</p>' if alarm else "",
        _warning(f"The specimen: {specimen}.") if specimen else "",
        *(_warning(sentence(problem)) for problem in facts.problems),
        _score(facts),
        "<h2>Coverage</h2>",
        _table(("what", "how many"), _coverage(facts)),
        _operator(facts),
        "<h2>Fields, tiles and the score's course</h2>",
        f'<img alt="Fields at their stage positions, tile probabilities, example fields and the course of the score" '
        f'src="data:image/png;base64,{facts.picture}">',
        "<h2>Notes</h2>",
        _notes(facts.notes),
        "<h2>Every field</h2>",
        _fields(facts),
        "<h2>How it was made</h2>",
        _table(("what", "value"), _provenance(facts)),
        f'<p class="use">{escape(use)}</p>',
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n" + "\n".join(filter(None, body)) + "\n</body>\n</html>\n"
    )


def _warning(text: str) -> str:
    return f'<p class="warn">{escape(text)}</p>'


def _table(heads: Iterable[str], rows: Iterable[tuple[str, str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    lines = "".join(f'<tr><td>{escape(name)}</td><td class="n">{escape(value)}</td></tr>\n' for name, value in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{lines}</tbody></table>"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.{_DIGITS}f}"


def _course_of_events(facts: PageFacts) -> str:
    run = facts.store.recorded
    state = "unfinished" if run.state is None else run.state
    made = format_utc(facts.made_utc, seconds=False)
    acquired = format_utc(run.created_utc)
    when = acquired if acquired[0].isdigit() else f"at {acquired}"
    return f"Acquired {when}, run {state}. Report made {made}."


def _score(facts: PageFacts) -> str:
    score = facts.score
    if score.score is None:
        return '<p class="score">No score</p><p>No field was classified, or none is left in.</p>'
    decided = decision(score)
    side = "undecided" if decided is None else f"on the {decided} side of the threshold"
    parts = [
        f'<p class="score">{format_score(score.score, score.threshold, _DIGITS)}</p>',
        f"<p>Mean probability of <em>high</em> (high metastatic), {escape(side)}.</p>",
        f"<p>{escape(sentence(describe_score(score)))}</p>",
        f'<p class="quiet">{"Stabilised" if score.stabilised else "Not stabilised"}: '
        f"{escape(full_stop(score.stabilised_reason))} Interval: {percent(score.confidence)} confidence sequence, valid"
        " at every moment for fields sampled at random.</p>",
    ]
    if not facts.threshold_known:
        parts.append(_warning(f"The store names no threshold; {format_threshold(score.threshold)} is assumed."))
    outcome = facts.store.recorded.outcome
    recorded = None if outcome is None else outcome.score
    if recorded is not None and recorded != score.score:
        parts.append(
            _warning(
                f"The run ended with a score of {_number(recorded)}: the operator's exclusions, or the predictions,"
                " were changed since."
            )
        )
    return "\n".join(parts)


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
    if lost:
        rows.append(("lost before they could be stored", str(lost)))
    rows += [
        (f"tiles excluded: {reason.replace('_', ' ')}", str(number)) for reason, number in score.tiles_excluded.items()
    ]
    return rows


def _operator(facts: PageFacts) -> str:
    if not facts.excluded:
        return ""
    everything = facts.score_of_all
    low, high = everything.interval
    rows = [(f"field {seq}", why or "no reason given") for seq, why in facts.excluded.items()]
    return (
        "<h2>Fields excluded by the operator</h2>\n"
        + _table(("field", "reason"), rows)
        + f"<p>With every field the score would be {_number(everything.score)} [{low:.3f}, {high:.3f}]. Excluding"
        " fields because of their score would bias it; the interval does not allow for that.</p>"
    )


def _notes(notes: Sequence[Note]) -> str:
    remarks = [note for note in notes if note.kind in ("note", "spoilt")]
    if not remarks:
        return '<p class="quiet">None.</p>'
    rows = [
        (
            f"{format_utc(note.t_utc, seconds=False)}, {'section' if note.seq is None else f'field {note.seq}'}",
            note.text if note.kind == "note" else f"no valid interval: {note.text}",
        )
        for note in remarks
    ]
    return _table(("when and what about", "note"), rows)


def _fields(facts: PageFacts) -> str:
    lines = []
    for seq, entry in enumerate(facts.store.journal):
        result = facts.results.get(seq)
        place = "" if entry is None or entry.stage_um is None else f"{entry.stage_um[0]:.0f}, {entry.stage_um[1]:.0f}"
        state = "not analysed" if result is None else result.outcome
        score = "" if result is None else _number(frame_score(result))
        why = ""
        if result is not None and result.outcome != "failed":
            counts = {flag: int((result.flags & flag.value != 0).sum()) for flag in QualityFlag}
            why = ", ".join(f"{n} {str(flag.name).lower().replace('_', ' ')}" for flag, n in counts.items() if n)
        elif result is not None:
            why = result.error or ""
        if entry is None:
            why = "its line in the journal is unreadable"
        out = seq in facts.excluded
        cells = "".join(f'<td class="n">{escape(cell)}</td>' for cell in (str(seq), place, state, score, why))
        mark = f'<td class="keep">{escape(facts.excluded[seq] or "yes") if out else ""}</td>'
        row = '<tr class="out">' if out else "<tr>"
        lines.append(f"{row}{cells}{mark}</tr>")
    heads = ("field", "x, y (um)", "state", "score", "tiles excluded", "excluded by the operator")
    head = "".join(f"<th>{head}</th>" for head in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody></table>"


def _unlike(provenance: Provenance) -> list[tuple[str, str]]:
    """Return what was done with tiles unlike the model's training tiles; nothing if the model measures no distance."""
    beyond = provenance.unlike_threshold
    if beyond is None:
        return []
    done = "scored all the same" if provenance.score_unlike else "not scored"
    return [("tiles unlike training", f"{done} (distance beyond {significant(beyond, 4)})")]


def _provenance(facts: PageFacts) -> list[tuple[str, str]]:
    spec, provenance = facts.store.spec, facts.store.recorded.provenance
    engines = sorted({result.engine for result in facts.results.values() if result.engine})
    rows = [
        ("store", facts.store.path.name),
        ("frames", f"{spec.frame_shape_yx[1]} x {spec.frame_shape_yx[0]} px, {spec.bit_depth} bit"),
        ("pixel size", f"{significant(spec.pixel_size_um, 4)} um"),
        ("fields chosen", spec.sampling.replace("_", " ")),
        ("model", provenance.model or "not recorded"),
        ("model sha256", spec.model_sha256 or "not recorded"),
        ("engine", "; ".join(engines) or "none"),
        ("threshold", format_number(facts.score.threshold, 6)),
        *_unlike(provenance),
        ("camera", f"{provenance.camera or ''} ({provenance.camera_library or 'unknown'})".strip()),
        ("rig configuration sha256", spec.rig_sha256 or "not recorded"),
    ]
    software = facts.store.attributes.get("software") or {}
    rows += [(name, str(value)) for name, value in sorted(software.items())]
    return rows
