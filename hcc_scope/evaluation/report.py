"""``report.md`` and ``table1.md``: an evaluation for people, the AUC by animal first.

The texts are ``templates/report.md.j2`` and ``templates/table1.md.j2``; here is what they show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.baseline_conclusions import describe_controls, describe_shortcut, describe_texture
from hcc_scope.evaluation.conclusions import (
    describe_calibration,
    describe_gap,
    describe_interval,
    describe_left_out,
    describe_restarted,
    describe_silent,
    describe_sites,
)
from hcc_scope.evaluation.recipe_words import describe_budget, describe_recipe, left_open
from hcc_scope.evaluation.statement import BENEFIT_PREVALENCES, benefit_rows, describe_statement_record
from hcc_scope.evaluation.tables import format_estimate, format_signed, level_rows, table_1
from hcc_scope.formatting import counted, percent
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.templates import environment, markdown_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hcc_scope.evaluation.analysis import Analysis, AnimalFigures, FoldFigures, ProtocolFigures

__all__ = ["animal_row", "relative_pngs", "report_markdown", "table1_markdown"]


_HEADINGS = {"paper": "The paper's protocol", "by_animal": "By animal", "by_site": "Leave one site out"}


def table1_markdown(analysis: Analysis) -> str:
    """Return ``table1.md``: over all tiles, as the paper has it, and as in use."""
    return environment("hcc_scope.evaluation").get_template("table1.md.j2").render(_common(analysis))


def report_markdown(analysis: Analysis, command: str, figures: Sequence[str]) -> str:
    """Return the report.

    Parameters
    ----------
    analysis : Analysis
    command : str
        That made it.
    figures : sequence of str
        Paths of PNGs, relative to the report.
    """
    images = analysis.result.tiles.images
    return (
        environment("hcc_scope.evaluation")
        .get_template("report.md.j2")
        .render(
            _common(analysis),
            gap=describe_gap(analysis),
            silent=describe_silent(analysis),
            restarted=describe_restarted(analysis),
            sites=describe_sites(analysis, name=markdown_text),
            headings=_HEADINGS,
            gap_pooled=analysis.gap_pooled,
            lead=analysis.lead,
            left_open=left_open(analysis.result),
            budget=describe_budget(analysis.result),
            protocols=analysis.protocols.values(),
            level_rows=level_rows,
            fold_rows=_fold_rows,
            texture=describe_texture(analysis),
            shortcut=describe_shortcut(analysis),
            baselines=analysis.baselines.values(),
            baseline_rows=_baseline_rows(analysis),
            gap_rows=_gap_rows(analysis),
            controls=describe_controls(analysis),
            copies=counted(len(analysis.copies), "pair") if analysis.copies else "",
            example=[images[i] for i in analysis.copies[0]] if analysis.copies else (),
            animal_rows=[animal_row(animal) for animal in analysis.animals],
            calibration=describe_calibration(analysis),
            statement=describe_statement_record(analysis.statement),
            benefit_heads=(
                "act from",
                *(
                    f"{percent(prevalence)}: {what}"
                    for prevalence in BENEFIT_PREVALENCES
                    for what in ("on 'high'", "on all")
                ),
            ),
            benefit_rows=benefit_rows(analysis.statement),
            intervals=describe_interval(analysis),
            figures=figures,
            command=command,
        )
    )


def _common(analysis: Analysis) -> dict[str, Any]:
    """Return what both texts show."""
    result = analysis.result
    return {
        "result": result,
        "data": result.data,
        "n_animals": len({image.animal_id for image in result.data.images}),
        "recipe": describe_recipe(result),
        "research_use_only": RESEARCH_USE_ONLY,
        "tables_1": [table_1(analysis, level) for level in ("tile_all", "tile", "image")],
        "left_out": describe_left_out(analysis, name=markdown_text),
    }


def _fold_rows(protocol: ProtocolFigures) -> list[tuple[str, ...]]:
    return [
        (
            str(fold.fold + 1),
            str(fold.train_images),
            str(fold.test_images),
            str(fold.test_tiles),
            str(fold.unlike_tiles),
            _starts(fold),
            ", ".join(markdown_text(animal) for animal in fold.test_animals)
            + ("" if fold.site is None else f" (site {markdown_text(fold.site)})"),
        )
        for fold in protocol.folds
    ]


def _starts(fold: FoldFigures) -> str:
    """Return how many networks a fold has, and which of them have learnt nothing."""
    if not fold.silent_starts:
        return str(fold.starts)
    return f"{fold.starts}, of which {len(fold.silent_starts)} learnt nothing"


_OF = {"paper": "paper's protocol", "by_animal": "by animal", "by_site": "by site"}


def _baseline_rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return, by protocol, the network and each baseline: AUC of tiles and images, and the paired differences."""
    rows: list[tuple[str, ...]] = []
    for which, network in analysis.protocols.items():
        own = [format_estimate(network.pooled[level].auc) for level in ("tile", "image")]
        rows.append((_OF[which], "network", "", *own, "", ""))
        for name, baseline in analysis.baselines.items():
            found = baseline.protocols[which].pooled
            rows.append(
                (
                    _OF[which],
                    name,
                    str(baseline.n_features),
                    *(format_estimate(found[level].auc) for level in ("tile", "image")),
                    *(format_signed(baseline.differences[which][level]) for level in ("tile", "image")),
                )
            )
    return rows


def _gap_rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return, for the network and each baseline, the difference of the protocols, its null, and the gap."""
    rows: list[tuple[str, ...]] = []
    for of, found in analysis.corrected.items():
        null = analysis.permutations[found.null_of]
        means = ("not defined",) * 3
        if found.null_mean is not None:
            means = (f"{null.null_paper:.2f}", f"{null.null_by_animal:.2f}", f"{found.null_mean:+.3f}")
        rows.append((of, format_signed(found.difference), found.null_of, *means, format_signed(found.gap)))
    return rows


def animal_row(animal: AnimalFigures) -> tuple[str, ...]:
    """Return an animal's cells, as Markdown."""
    sections = zip(animal.sections, animal.section_scores, strict=True)
    return (
        markdown_text(animal.animal),
        CLASSES[animal.label],
        str(len(animal.section_scores)),
        str(animal.images),
        str(animal.tiles),
        ", ".join(f"{markdown_text(name)} {score:.3f}" for name, score in sections),
        f"{animal.score:.3f}",
        "right" if animal.correct else "wrong",
    )


def relative_pngs(paths: Iterable[Path], folder: Path) -> list[str]:
    """Return the PNGs among some figures, as links from `folder`."""
    return [path.relative_to(folder).as_posix() for path in paths if path.suffix == ".png"]
