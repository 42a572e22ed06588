"""``report.md`` and ``table1.md``: an evaluation for people, the leakage gap first.

The texts are ``templates/report.md.j2`` and ``templates/table1.md.j2``; here is what they show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.conclusions import (
    describe_calibration,
    describe_day,
    describe_gap,
    describe_interval,
    describe_left_out,
    describe_permuted,
    describe_restarted,
    describe_silent,
)
from hcc_scope.evaluation.tables import level_rows, table_1
from hcc_scope.formatting import counted
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.templates import environment, markdown_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hcc_scope.evaluation.analysis import Analysis, AnimalFigures, FoldFigures, ProtocolFigures

__all__ = ["relative_pngs", "report_markdown", "table1_markdown"]


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
            gap_of_fold_means=analysis.gap_of_fold_means,
            protocols=analysis.protocols.values(),
            level_rows=level_rows,
            fold_rows=_fold_rows,
            permuted=describe_permuted(analysis),
            day=describe_day(analysis),
            copies=counted(len(analysis.copies), "pair") if analysis.copies else "",
            example=[images[i] for i in analysis.copies[0]] if analysis.copies else (),
            animal_rows=[_animal_row(animal) for animal in analysis.animals],
            calibration=describe_calibration(analysis),
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
        "epochs": counted(result.config.epochs or 0, "epoch"),
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
            ", ".join(markdown_text(animal) for animal in fold.test_animals),
        )
        for fold in protocol.folds
    ]


def _starts(fold: FoldFigures) -> str:
    """Return how many networks a fold has, and which of them have learnt nothing."""
    if not fold.silent_starts:
        return str(fold.starts)
    return f"{fold.starts}, of which {len(fold.silent_starts)} learnt nothing"


def _animal_row(animal: AnimalFigures) -> tuple[str, ...]:
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
