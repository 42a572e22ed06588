"""The figures of an evaluation: those of the paper, and those that its reviewers would ask for.

Each figure is a function of arrays in its own module; `draw_all` writes them all. Importing this package imports
neither matplotlib nor torch; calling it does.

- `hcc_scope.evaluation.figures.style`: one look, the notices on every page, and how a page is written.
- `hcc_scope.evaluation.figures.gather`: which tiles are shown where not all can be.
- `hcc_scope.evaluation.figures.roc`: ROC per fold (Fig. 2 a-e of the paper).
- `hcc_scope.evaluation.figures.embedding`, ``.tsne``: the last hidden layer per fold (Fig. 2 f-j).
- `hcc_scope.evaluation.figures.explain`, ``.maps``: saliency maps (Fig. 3), and whether they depend on the weights.
- `hcc_scope.evaluation.figures.reliability`, ``.animals``, ``.learning``, ``.leakage``, ``.histograms``.
- `hcc_scope.evaluation.figures.draw`: all of them, one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.progress import OnProgress

__all__ = ["draw_all"]


def draw_all(
    analysis: Analysis, folder: Path, *, on_progress: OnProgress, smooth: int = 0, seed: int = 0
) -> list[Path]:
    """Draw every figure of an evaluation; see `hcc_scope.evaluation.figures.draw.draw_all`."""
    from hcc_scope.evaluation.figures import draw

    return draw.draw_all(analysis, folder, on_progress=on_progress, smooth=smooth, seed=seed)
