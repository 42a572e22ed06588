"""What is written of heads for bags: ``bags.md``, ``bags.json``, and every tile's attention in ``attention.csv``."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.atomic_file import json_bytes, replace_file
from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.evaluation.bag_analysis import LEVELS_OF
from hcc_scope.evaluation.stored_evaluation import versions_used
from hcc_scope.evaluation.tables import format_estimate
from hcc_scope.formatting import counted
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.storage.files import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hcc_scope.evaluation.bag_analysis import BagAnalysis, BagDifference, Predictor
    from hcc_scope.evaluation.metrics import Figures

__all__ = [
    "BAGS_FILE",
    "BagOrigin",
    "bags_json",
    "describe_bags",
    "describe_few",
    "describe_silent_features",
    "table_rows",
    "write_bags",
]

BAGS_FILE = "bags.json"
SCHEMA = 1
_TAIL = 0.025
"""Of an interval of 95 %."""
_WORDS: dict[Predictor, str] = {
    "mean-logit": "mean of tile logits",
    "gated-attention": "gated attention",
    "texture": "texture, each tile labelled",
    "network": "network, each tile labelled",
}
_PROTOCOLS = {"paper": "paper's protocol (a bag is an image)", "by_animal": "by animal (a bag is a section)"}
HEADERS = ("protocol", "predictor", "level", "n", "AUC", "accuracy", "Brier")


@dataclass(frozen=True, slots=True)
class BagOrigin:
    """Where features and folds come from, for the record."""

    kind: str
    """``network``, ``texture`` or ``extractor``."""
    folds: int
    seed: int
    evaluation: str | None = None
    """Name of the folder of the evaluation whose networks and folds these are."""
    file: str | None = None
    """Name of the extractor's file."""
    sha256: str | None = None
    input: str | None = None
    """What it takes, in words."""
    input_px: int | None = None


def describe_bags(analysis: BagAnalysis) -> str:
    """Return the result in a sentence: what both heads find of sections by animal."""
    found = []
    for head in analysis.folds:
        figures = analysis.of(head, "by_animal")
        assert figures is not None, "heads have figures of both protocols"
        found.append(f"{_WORDS[head]} {format_estimate(figures.levels['section'].auc)}")
    return f"AUC of {counted(analysis.n_sections, 'section')} by animal, from labels of sections: {', '.join(found)}."


def describe_few(analysis: BagAnalysis) -> str:
    """Return what so few animals can show, in a sentence or two."""
    low, high, both = analysis.n_animals
    animals = f"{low} animals of class low and {high} of class high" + (f", {both} of both" if both else "")
    chance = f"a head that knows nothing puts {animals} in the right order in 1 of {analysis.labellings:,} cases"
    if 1.0 / analysis.labellings > _TAIL:
        return (
            f"{counted(analysis.n_sections, 'section')}: {chance}. So not even a perfect result would show here that a "
            "head has learnt anything, and no difference between heads, networks and texture can be shown; more fields "
            "or starts do not change that, more animals do."
        )
    differences = " ".join(map(_describe_difference, analysis.differences))
    return f"{counted(analysis.n_sections, 'section')}: {chance}. {differences}"


def describe_silent_features(analysis: BagAnalysis) -> str | None:
    """Return in which folds all networks of the evaluation have learnt nothing; None if in none."""
    if not analysis.silent:
        return None
    folds = "; ".join(
        f"{words}: {', '.join(str(fold + 1) for fold in analysis.silent[protocol])}"
        for protocol, words in (("paper", "folds by image"), ("by_animal", "folds by animal"))
        if protocol in analysis.silent
    )
    return (
        f"Where all networks of a fold have learnt nothing ({folds}), features and the network's own figures are of "
        "such networks."
    )


def _describe_difference(difference: BagDifference) -> str:
    one, other = _WORDS[difference.one], _WORDS[difference.other]
    interval = difference.auc.interval
    shown = interval is not None and (interval.low > 0 or interval.high < 0)
    words = format_estimate(difference.auc)
    if not shown:
        return f"{one.capitalize()} is not shown to differ from {other} ({words})."
    return f"{one.capitalize()} is {'better' if difference.auc.value > 0 else 'worse'} than {other} ({words})."


def table_rows(analysis: BagAnalysis) -> list[tuple[str, ...]]:
    """Return the cells of the table under `HEADERS`: one protocol after the other, heads and what is beside them."""
    return [
        (words, _WORDS[figures.predictor], level, *_cells(figures.levels[level]))
        for protocol, words in _PROTOCOLS.items()
        for figures in analysis.figures
        if figures.protocol == protocol
        for level in LEVELS_OF[figures.protocol]
    ]


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        str(figures.n),
        format_estimate(figures.auc),
        format_estimate(figures.accuracy),
        format_estimate(figures.brier, 3),
    )


def _markdown(analysis: BagAnalysis, command: str, figures: Sequence[str]) -> str:
    lines = [
        "# Bags: class labels of sections alone",
        "",
        f"**{describe_bags(analysis)}**",
        "",
        describe_few(analysis),
        "",
        *([f"**{silent}**", ""] if (silent := describe_silent_features(analysis)) is not None else []),
        f"- Features of tiles: {analysis.features} ({analysis.n_features}). They are not trained here.",
        f"- Folds are those of `hcc-scope evaluate`; {counted(analysis.starts, 'start')} of each head per fold. "
        "Nothing is chosen on a test fold: components, penalty and steps are fixed in the program.",
        "- *Each tile labelled*: trained on tiles, each with its section's class, and averaged; shown for comparison.",
        "- Accuracy at a probability of 0.5. Intervals are over animals, as docs/evaluation.md describes for every "
        "evaluation; SD: of the AUC over the single starts, which is in its interval.",
        *(f"- {words}" for words in (analysis.data.conversion, analysis.data.synthetic) if words is not None),
        "",
        f"| {' | '.join(HEADERS)} |",
        f"|{'---|' * len(HEADERS)}",
        *(f"| {' | '.join(row)} |" for row in table_rows(analysis)),
        "",
        "AUC of sections by animal, differences:",
        "",
        *(f"- {_describe_difference(one)}" for one in analysis.differences if 1.0 / analysis.labellings <= _TAIL),
        *(
            f"- {_WORDS[one.one]} less {_WORDS[one.other]}: {format_estimate(one.auc)}"
            for one in analysis.differences
            if 1.0 / analysis.labellings > _TAIL
        ),
        "",
        "`attention.csv` has the share of every held-out tile in its bag (1 in `times_even_share` is an equal share). "
        "Attention shows what the head rests on, which may be a shortcut; it is no proof that the class lies there.",
        "",
        *(f"![{name}]({name})" for name in figures),
        "",
        f"    {command}",
        "",
        RESEARCH_USE_ONLY,
        "",
    ]
    return "\n".join(lines)


def bags_json(analysis: BagAnalysis, origin: BagOrigin, command: str, figures: Sequence[str] = ()) -> dict[str, Any]:
    """Return everything as JSON values; docs/evaluation.md describes the keys."""
    from hcc_scope.training.bags import ATTENTION_UNITS, COMPONENTS, PENALTY, RATE, STEPS

    data = analysis.data
    return {
        "schema": SCHEMA,
        "note": RESEARCH_USE_ONLY,
        "command": command,
        "headline": describe_bags(analysis),
        "few": describe_few(analysis),
        "silent": describe_silent_features(analysis),
        "data": {
            "manifest": str(data.manifest),
            "fingerprint": data.fingerprint,
            "synthetic": data.synthetic,
            "colour": data.colour,
            "animals": dict(zip(("low", "high", "both"), analysis.n_animals, strict=True)),
            "sections": analysis.n_sections,
            "labellings": analysis.labellings,
        },
        "features": {"words": analysis.features, "n": analysis.n_features, **asdict(origin)},
        "heads": {
            "components": COMPONENTS,
            "attention_units": ATTENTION_UNITS,
            "penalty": PENALTY,
            "steps": STEPS,
            "learning_rate": RATE,
            "starts": analysis.starts,
        },
        "protocols": {
            protocol: {
                "bag": "image" if protocol == "paper" else "section",
                "folds": [
                    {"train_bags": fold.train_bags, "test_bags": len(fold.bags)}
                    for fold in next(iter(analysis.folds.values()))
                    if fold.split.protocol == protocol
                ],
                "predictors": {
                    figures.predictor: {level: asdict(one) for level, one in figures.levels.items()}
                    for figures in analysis.figures
                    if figures.protocol == protocol
                },
            }
            for protocol in _PROTOCOLS
        },
        "differences": [asdict(one) for one in analysis.differences],
        "figures": list(figures),
        "versions": versions_used(),
    }


def attention_csv(analysis: BagAnalysis) -> str:
    """Return a line per held-out tile of either protocol: its share in its bag, and the logit it would have alone."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ("protocol", "fold", "animal_id", "section_id", "class", "path", "page", "tile", "attention",
         "times_even_share", "tile_logit")
    )  # fmt: skip
    writer.writerows(_lines(analysis))
    return file.getvalue()


def _lines(analysis: BagAnalysis) -> Iterator[tuple[object, ...]]:
    tiles = analysis.tiles
    # the weights of the attention, and the logits of the head in which every tile has an equal share
    for attended, plain in zip(analysis.folds["gated-attention"], analysis.folds["mean-logit"], strict=True):
        for bag in attended.bags:
            for place in bag.places.tolist():
                row = int(attended.rows[place])
                image = tiles.images[int(tiles.image_index[row])]
                weight = float(attended.weights[place])
                yield (
                    attended.split.protocol,
                    attended.split.fold + 1,
                    image.animal_id,
                    image.section_id,
                    CLASSES[bag.label],
                    image.path.name,
                    image.index,
                    int(tiles.tile_index[row]),
                    f"{weight:.6g}",
                    f"{weight * len(bag.places):.4g}",
                    f"{float(plain.tile_logits[place]):.4g}",
                )


def write_bags(
    analysis: BagAnalysis, origin: BagOrigin, folder: Path, command: str, figures: Sequence[str] = ()
) -> dict[str, Any]:
    """Write ``attention.csv``, ``bags.md`` and, last, ``bags.json``; return what the latter holds.

    Raises
    ------
    StoreError
        If one cannot be written.
    """
    content = bags_json(analysis, origin, command, figures)
    try:
        replace_file(folder / "attention.csv", attention_csv(analysis).encode())
        replace_file(folder / "bags.md", _markdown(analysis, command, figures).encode())
        replace_file(folder / BAGS_FILE, json_bytes(content))
    except OSError as error:
        raise explain(error, f"the results in {folder} could not be written") from error
    return content
