"""What became of the fields and tiles of a section: how many count, and what was left out for which reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.flag_texts import FLAG_TEXTS, describe_reason_counts
from hcc_scope.position_tags import POSITION_TAG, describe_origin, position_origin
from hcc_scope.report.document import Table
from hcc_scope.score_text import SCORE_DECIMALS, describe_drift, describe_excluded_bounds
from hcc_scope.scoring import frame_score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import FrameResult, SampleCounts, SectionScore

__all__ = ["coverage_rows", "exclusion_rows", "field_table"]


def coverage_rows(
    store: SectionStore, results: Mapping[int, FrameResult], score: SectionScore
) -> list[tuple[str, str]]:
    """Return how many fields there are, and how many of them the score and its interval rest on."""
    outcomes = Counter(result.outcome for result in results.values())
    n, outcome = store.n_frames, store.recorded.outcome
    lost = 0 if outcome is None else outcome.lost_frames
    rows = [
        ("frames stored" if score.set_aside else "fields stored", str(n)),
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
        imported = store.spec.sampling == "imported"
        what = "could not be read when they were imported" if imported else "lost before they could be stored"
        rows.append((what, str(lost)))
    if outcome is not None and outcome.skipped_fields:
        rows.append(("skipped: not reached by the stage", str(outcome.skipped_fields)))
    return rows


def _sample_rows(sample: SampleCounts) -> list[tuple[str, str]]:
    """Return what became of the drawn fields of a guided section."""
    rows = [("random fields drawn", str(sample.drawn)), ("drawn fields captured", str(sample.reached))]
    rows += [(f"drawn fields skipped: {reason}", str(n)) for reason, n in sample.skipped.items()]
    if sample.not_of_sample:
        rows.append(("frames that are not of the sample, not in the score", str(sample.not_of_sample)))
    return rows


def exclusion_rows(
    results: Mapping[int, FrameResult], score: SectionScore, excluded: Mapping[int, str], out: Mapping[int, str]
) -> list[tuple[str, str, str]]:
    """Return what is not in the score, why (one reason for each frame), and how many; none if everything is.

    Parameters
    ----------
    results : mapping
        `seq` to result.
    score : SectionScore
        Of the section.
    excluded : mapping
        `seq` of the fields that the operator excluded, and why.
    out : mapping
        `seq` of all frames that are out of the score, and why.
    """
    judged = [result for result in results.values() if result.seq not in out]
    by_operator = Counter(why or "no reason given" for seq, why in excluded.items() if seq not in score.set_aside)
    failed = Counter(result.error or "not recorded" for result in judged if result.outcome == "failed")
    no_tile = sum(result.outcome == "excluded" for result in judged)
    rows = [
        ("tiles", text.name, str(score.tiles_excluded[text.key]))
        for text in FLAG_TEXTS.values()
        if score.tiles_excluded.get(text.key)
    ]
    if no_tile:
        rows.append(("fields", "no tile was usable", str(no_tile)))
    rows += [("fields", f"excluded by the operator: {why}", str(n)) for why, n in by_operator.most_common()]
    rows += [("fields", f"failed: {why}", str(n)) for why, n in failed.most_common()]
    if score.set_aside:
        rows.append(("frames", "another frame shows the same field", str(len(score.set_aside))))
    if not_of_sample := len(out.keys() - excluded.keys() - set(score.set_aside)):
        rows.append(("frames", "not of the drawn sample", str(not_of_sample)))
    return rows


def field_table(
    store: SectionStore,
    results: Mapping[int, FrameResult],
    score: SectionScore,
    excluded: Mapping[int, str],
    out: Mapping[int, str],
) -> Table:
    """Return a row for each field, with those that the operator excluded crossed out."""
    rows: list[tuple[str, ...]] = []
    for seq, entry in enumerate(store.journal):
        result = results.get(seq)
        if entry is None:
            why = "its line in the journal is unreadable"
        elif result is None:
            why = ""
        else:
            why = result.error or "" if result.outcome == "failed" else ", ".join(_excluded_tiles(result))
        if seq in out and (seq not in excluded or seq in score.set_aside):
            why = "; ".join(filter(None, (why, f"does not count: {out[seq]}")))
        mean = None if result is None else frame_score(result)
        rows.append(
            (
                str(seq),
                "" if entry is None else _place(entry),
                "not analysed" if result is None else result.outcome,
                "" if result is None else "none" if mean is None else f"{mean:.{SCORE_DECIMALS}f}",
                why,
                (excluded[seq] or "yes") if seq in excluded else "",
            )
        )
    heads = ("field", "x, y (um)", "state", "mean tile probability", "tiles excluded", "excluded by the operator")
    struck = frozenset(seq for seq in excluded if seq < len(rows))
    return Table(heads, rows, widths=(1, 3, 2, 2, 4, 3), struck=struck)


def _place(entry: JournalEntry) -> str:
    """Return where a field is and, where the pictures gave it, how well that is known; empty without a stage."""
    if entry.stage_um is None:
        return "not known" if POSITION_TAG in entry.tags else ""
    how = describe_origin(position_origin(entry.tags, has_position=True))
    return f"{entry.stage_um[0]:z.0f}, {entry.stage_um[1]:z.0f}{f' ({how})' if how else ''}"


def _excluded_tiles(result: FrameResult) -> tuple[str, ...]:
    counts = {text.key: int(np.count_nonzero(result.flags & flag.value)) for flag, text in FLAG_TEXTS.items()}
    return describe_reason_counts(counts)
