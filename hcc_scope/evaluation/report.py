"""``report.md``: an evaluation as a person reads it, the leakage gap first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.datasets.manifest import counted
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
from hcc_scope.evaluation.tables import level_rows, markdown, table_1
from hcc_scope.research_use import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hcc_scope.evaluation.analysis import Analysis, ProtocolFigures
    from hcc_scope.evaluation.results import EvaluationResult

__all__ = ["RESEARCH_USE_ONLY", "relative_pngs", "report_markdown", "table1_markdown"]

_LEVEL_HEADS = ("level", "n", "AUC", "sensitivity", "specificity", "accuracy", "Brier", "ECE", "threshold")


def table1_markdown(analysis: Analysis) -> str:
    """Return ``table1.md``: over all tiles, as the paper has it, and as in use."""
    return "\n".join([*_tables_1(analysis), describe_left_out(analysis), "", *_provenance(analysis.result), ""])


def _tables_1(analysis: Analysis) -> list[str]:
    return [
        markdown(table_1(analysis, "tile_all"), notes=False),
        markdown(table_1(analysis, "tile"), notes=False),
        markdown(table_1(analysis, "image")),
    ]


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
    result, gap = analysis.result, analysis.gap_of_fold_means
    lines = [
        "# Validation",
        "",
        f"**{describe_gap(analysis)}**",
        "",
        *([] if (silent := describe_silent(analysis)) is None else [f"**{silent}**", ""]),
        *([] if (restarted := describe_restarted(analysis)) is None else [restarted, ""]),
        *_provenance(result),
        "",
        "From means over folds, which never compare two networks, the gap is "
        + ("not defined." if gap is None else f"{gap:+.3f}."),
        "",
        "## Table 1",
        "",
        *_tables_1(analysis),
        describe_left_out(analysis),
        "",
    ]
    for protocol in analysis.protocols.values():
        lines += _protocol(protocol)
    lines += ["## Controls", "", f"- {describe_permuted(analysis)}", f"- {describe_day(analysis)}"]
    if analysis.copies:
        images = result.tiles.images
        one, other = (images[i].name for i in analysis.copies[0])
        lines.append(
            f"- {counted(len(analysis.copies), 'pair')} of images that share pixels, wholly or in part, on both sides "
            f"of a fold of the paper's protocol, for example {one} and {other}."
        )
    lines += ["", "## Per animal (by animal)", ""]
    lines += _table(
        ("animal", "class", "sections", "images", "tiles", "section scores", "score", "side"),
        (
            (
                a.animal,
                CLASSES[a.label],
                str(len(a.section_scores)),
                str(a.images),
                str(a.tiles),
                ", ".join(f"{name} {score:.3f}" for name, score in zip(a.sections, a.section_scores, strict=True)),
                f"{a.score:.3f}",
                "right" if a.correct else "wrong",
            )
            for a in analysis.animals
        ),
    )
    lines += ["", "## Calibration", "", *(f"- {words}" for words in describe_calibration(analysis))]
    lines += ["", "## Intervals", "", *(f"- {words}" for words in describe_interval(analysis))]
    if figures:
        pictures = (f"![{path.rsplit('/', 1)[-1].removesuffix('.png')}]({path})\n" for path in figures)
        lines += ["", "## Figures", "", *pictures]
    lines += ["", "## How", "", f"`{command}`", "", _how(result), ""]
    return "\n".join(lines)


def _provenance(result: EvaluationResult) -> list[str]:
    data = result.data
    n_animals = len({image.animal_id for image in data.images})
    lines = [
        f"{data.manifest.name}: {n_animals} animals, {len(data.images)} images, {len(result.tiles)} usable tiles; "
        f"network {result.config.network}, recipe {result.config.recipe}, {_epochs(result)} per fold."
    ]
    if data.synthetic is not None:
        lines += ["", f"**No tissue: {data.synthetic}**"]
    return [*lines, "", f"*{RESEARCH_USE_ONLY}*"]


_CALIBRATED_ELSEWHERE = (
    " Probabilities have the temperature, and sections and animals the threshold, that were chosen by animal (below), "
    "not ones of this protocol's own."
)


def _protocol(protocol: ProtocolFigures) -> list[str]:
    title = {"paper": "The paper's protocol", "by_animal": "By animal"}[protocol.protocol]
    return [
        f"## {title}",
        "",
        protocol.splitting,
        "",
        *_table(_LEVEL_HEADS, level_rows(protocol)),
        "",
        "Pooled over folds; a tile or image counts as high from 0.5, a section or animal from the threshold. "
        "ECE over 10 bins of one width; of few sections or animals it says little."
        + _CALIBRATED_ELSEWHERE
        * (protocol.protocol == "paper"),
        "",
        *_table(
            (
                "fold",
                "images to train on",
                "images tested",
                "tiles tested",
                "of these unlike",
                "starts",
                "animals tested",
            ),
            (
                (
                    str(f.fold + 1),
                    str(f.train_images),
                    str(f.test_images),
                    str(f.test_tiles),
                    str(f.unlike_tiles),
                    f"{f.starts}, learnt nothing" if f.silent else str(f.starts),
                    ", ".join(f.test_animals),
                )
                for f in protocol.folds
            ),
        ),
        "",
    ]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    # a manifest may call an animal anything
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines]


def _epochs(result: EvaluationResult) -> str:
    n = result.config.epochs
    return "1 epoch" if n == 1 else f"{n} epochs"


def _how(result: EvaluationResult) -> str:
    return (
        f"Every network was trained for {_epochs(result)}, a number fixed beforehand: nothing was chosen "
        "on the test part of a fold, and it was looked at for learning curves alone. Seed "
        f"{result.config.seed}. All figures are in `evaluation.json`; docs/evaluation.md explains them."
    )


def relative_pngs(paths: Iterable[Path], folder: Path) -> list[str]:
    """Return the PNGs among some figures, as links from `folder`."""
    return [path.relative_to(folder).as_posix() for path in paths if path.suffix == ".png"]
