"""A model's card: built of a run, and read by people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from markdown_it import MarkdownIt

from hcc_scope.inference.card import (
    AnimalRow,
    EvaluationRecord,
    LevelFigures,
    ModelCard,
    ProtocolRecord,
    ShiftRow,
    UnlikeTraining,
    read_card,
    write_card,
)
from hcc_scope.report.card_markdown import card_markdown, is_synthetic
from hcc_scope.resources import models_dir
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.draft_card import draft_card, final_card
from hcc_scope.training.network import Meng2019
from tests.labelled_image_parts import texture_set

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledSet


def levels(auc: float) -> tuple[LevelFigures, ...]:
    return tuple(
        LevelFigures(
            level=level, n=n, auc=auc, auc_interval=(auc - 0.1, auc + 0.05), sensitivity=0.75,
            sensitivity_interval=(0.5, 0.9), specificity=0.5, specificity_interval=None, accuracy=0.625,
            accuracy_interval=(0.4, 0.8), brier=0.2, ece=0.05,
        )
        for level, n in (("tile", 64), ("image", 16), ("section", 8), ("animal", 4))
    )  # fmt: skip


EVALUATION = EvaluationRecord(
    command="hcc-scope evaluate set.csv --out e",
    animals=4,
    images=16,
    tiles=64,
    protocols=(
        ProtocolRecord(
            protocol="paper", folds=5, splitting="Images at random.", fold_auc=(0.95, None), levels=levels(0.94)
        ),
        ProtocolRecord(
            protocol="by_animal", folds=2, splitting="No animal shared.", fold_auc=(0.8, 0.7), levels=levels(0.81)
        ),
    ),
    leakage_gap=0.13,
    leakage_gap_interval=(0.02, 0.24),
    permuted_auc=0.52,
    permuted_auc_interval=(0.4, 0.65),
    day_accuracy=0.9,
    day_chance=0.25,
    per_animal=(
        AnimalRow(
            animal="high-1", tumour_class="high", sections=2, images=4, tiles=16, section_scores=(0.4, 0.42),
            animal_score=0.41, correct=False,
        ),
    ),
)  # fmt: skip
PAPER_ALONE = EVALUATION.model_copy(update={"protocols": EVALUATION.protocols[:1]})
SHIFTS = tuple(
    ShiftRow(
        kind=kind, amount=amount, tile_auc=auc, mean_score_low=low, mean_score_high=0.7, sections_correct=n, sections=4
    )
    for kind, amount, auc, low, n in (("exposure", 1.0, 0.9, 0.2, 4), ("vignetting", 0.4, 0.8, 0.3, 3))
)  # fmt: skip
UNLIKE = UnlikeTraining(
    method="Mahalanobis distance in principal components",
    components=12,
    threshold=3.5,
    false_flag_rate=0.01,
    measured_on="tiles of held-out animals",
    flagged={"blank glass": 0.995},
)


def made(data: LabelledSet, evaluation: EvaluationRecord | None = EVALUATION, **more: object) -> ModelCard:
    torch.manual_seed(0)
    draft = draft_card("mine", Meng2019(), data, network_name="meng2019")
    return final_card(
        draft, TrainConfig(seed=7), data, temperature=1.2, threshold=0.4, calibrated_on="folds by animal",
        command="hcc-scope train set.csv --out r", loss="cross-entropy", optimiser="AdamW, learning rate 0.002",
        epochs=6, tiles=60, software={"torch": "2.13.0"}, excluded_tiles={"NO_TISSUE": 4}, evaluation=evaluation,
        **more,
    )  # fmt: skip


def test_a_synthetic_set_is_named_as_one_everywhere(tmp_path: Path):
    data, _tiles = texture_set(animals_per_class=2, sections=1, images=2)
    card = made(data, shifts=SHIFTS, unlike_training=UNLIKE)
    assert card.parameters == 10_642
    assert card.count_scale == 2.0**-13
    assert card.training is not None
    assert card.training.data.startswith("Noise of two grains, for tests. 8 images of 4 sections of 4 animals")
    assert card.training.animals_by_class == {"low": 2, "high": 2}
    assert card.training.images == 8
    assert "synthetic" in card.description
    assert "/nowhere" not in card_markdown(card)
    assert is_synthetic(card)
    assert "TRAINED ON SYNTHETIC IMAGES" in card_markdown(card)
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card


def test_a_card_keeps_what_is_not_defined(tmp_path: Path):
    data, _tiles = texture_set(animals_per_class=1)
    undefined = {"leakage_gap": None, "leakage_gap_interval": None, "permuted_auc": None, "day_accuracy": None}
    card = made(data, EVALUATION.model_copy(update=undefined))
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card


def test_a_real_set_claims_no_more_than_the_manifest():
    data, _tiles = texture_set(animals_per_class=2)
    real = replace(data, synthetic=None, bit_depth=12, pixel_size_um=0.5)
    card = made(real, images=range(4))
    assert not is_synthetic(card)
    text = card_markdown(card)
    assert "SYNTHETIC" not in text.upper()
    assert "PHANTOM" not in text.upper()
    assert "RESEARCH USE ONLY" in text
    assert card.full_scale == 4095
    assert card.training is not None
    assert card.training.images == 4
    assert any("12 bits at 0.5 um" in limit for limit in card.limits)


def test_the_card_for_people_has_both_protocols_and_everything_that_was_measured():
    data, _tiles = texture_set(animals_per_class=2)
    text = card_markdown(made(data, shifts=SHIFTS, unlike_training=UNLIKE))
    assert "(AUC of images with images split at random, less that by animal): +0.130 [+0.020, +0.240]" in text
    by_protocol = [line for line in text.splitlines() if line.startswith("| image |")]
    assert "paper (images split at random) | 16 | 0.940 [0.840, 0.990]" in by_protocol[0]
    assert "by animal (no animal on both sides) | 16 | 0.810 [0.710, 0.860]" in by_protocol[1]
    assert "permuted, AUC by animal: 0.520 [0.400, 0.650]; 0.5 is expected" in text
    assert "0.900 of the images; by chance 0.250" in text
    assert "| high-1 | high | 2 | 4 | 16 | 0.40, 0.42 | 0.410 | **no** |" in text
    assert "from a score of 0.4. What both were chosen on: folds by animal." in text
    assert "| exposure | as they are | 0.900 |" in text
    assert "| vignetting | 40% less light in the corners | 0.800 | 0.300 | 0.700 | 3 of 4 |" in text
    assert "to flag at most 1.0% of these tiles" in text
    assert "| blank glass | 99.5% |" in text
    assert "hcc-scope train set.csv --out r\nhcc-scope evaluate set.csv --out e" in text
    assert "4 no tissue" in text
    assert "BMJ 2024;385:e078378" in text
    assert "**missing**" not in text


@pytest.mark.parametrize(
    ("evaluation", "sentence"),
    [
        (None, "Not evaluated by animal, nor with images split at random"),
        (EVALUATION.model_copy(update={"protocols": EVALUATION.protocols[:1]}), "**Not evaluated: by animal"),
        (
            EVALUATION.model_copy(update={"protocols": EVALUATION.protocols[:1]}),
            "Not evaluated by animal: nothing here",
        ),
        (EVALUATION.model_copy(update={"leakage_gap": None}), "**Difference of the protocols: not defined**"),
        (EVALUATION.model_copy(update={"permuted_auc": None}), "permuted, AUC by animal: was not run"),
        (EVALUATION.model_copy(update={"per_animal": ()}), "## Results by animal\n\nNot evaluated by animal."),
    ],
)
def test_missing_evaluations_are_named(evaluation: EvaluationRecord | None, sentence: str):
    data, _tiles = texture_set(animals_per_class=2)
    text = card_markdown(made(data, evaluation))
    assert sentence in text
    assert "Not measured." in text
    assert "it scores anything" in text


def test_that_no_tile_was_left_out_is_a_count_as_well():
    data, _tiles = texture_set(animals_per_class=2)
    card = made(data)
    assert card.training is not None
    record = card.training.model_copy(update={"excluded_tiles": {}})
    text = card_markdown(card.model_copy(update={"training": record}))
    assert "| tiles left out for quality, of the set | none |" in text
    assert "tiles left out are not counted" not in text


def test_every_shipped_card_can_be_read_by_people():
    for folder in sorted(models_dir().iterdir()):
        text = card_markdown(read_card(folder))
        assert text == (folder / "README.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {folder.name}\n")
        assert "TRAINED ON SYNTHETIC IMAGES" in text
        tables = [line for line in text.splitlines() if line.startswith("|")]
        assert all(line.endswith(" |") for line in tables)


def test_the_figures_of_the_shipped_card_agree_with_each_other():
    card = read_card(models_dir() / "phantom-meng2019")
    record = card.evaluation
    assert record is not None
    assert record.silent is None  # nothing rests on a network that has learnt nothing
    assert record.left_out is not None
    at = {(p.protocol, f.level): f for p in record.protocols for f in p.levels}
    images = {name: at[name, "image"].auc for name in ("paper", "by_animal")}
    assert record.leakage_gap == pytest.approx(images["paper"] - images["by_animal"])
    as_they_are = next(row for row in card.shifts if (row.kind, row.amount) == ("exposure", 1.0))
    section, animal = at["by_animal", "section"], at["by_animal", "animal"]
    assert str(card.shifts_on).startswith("512 of the ")  # by one network of each fold, not the mean of five
    assert as_they_are.tile_auc == pytest.approx(at["by_animal", "tile"].auc, abs=0.03)
    assert as_they_are.sections_correct / as_they_are.sections == pytest.approx(section.accuracy, abs=0.1)
    assert section.threshold == animal.threshold == card.decision_threshold
    assert sum(row.correct for row in record.per_animal) / len(record.per_animal) == animal.accuracy
    for row in record.per_animal:
        assert row.correct is ((row.animal_score >= card.decision_threshold) == (row.tumour_class == "high"))
    assert sum(row.tiles for row in record.per_animal) == at["by_animal", "tile"].n
    scores = [(score >= card.decision_threshold) == (row.tumour_class == "high")
              for row in record.per_animal for score in row.section_scores]  # fmt: skip
    assert sum(scores) / len(scores) == section.accuracy


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)> &lt;b&gt; `code` **bold** _slanted_ ~~gone~~",
        "[here](https://example.org) ![seen](https://example.org/a.png) <https://example.org>",
        "# A heading",
        "```\n<script>alert(1)</script>\n```",
        "a\n\n## Validated\n\n| a | b |\n| --- | --- |\n| 1 | 2 |",
        "1. one",
        "- one",
        "    code",
        "\\*a\\* \\| b | c",
    ],
)
def test_the_text_of_a_received_card_is_shown_unchanged(text: str):
    data, _tiles = texture_set(animals_per_class=2)
    card = made(data, EVALUATION, shifts=SHIFTS, unlike_training=UNLIKE)
    plain = structure_of(card_markdown(with_texts(card, "words")))
    marked = structure_of(card_markdown(with_texts(card, text)))
    assert [kind for kind, _ in marked] == [kind for kind, _ in plain]
    shown = " ".join(" ".join(text.split("\n")).split())
    assert sum(" ".join(words.split()).count(shown) for _, words in marked) >= 10


def with_texts(card: ModelCard, text: str) -> ModelCard:
    assert card.training is not None
    assert card.evaluation is not None
    assert card.unlike_training is not None
    training = card.training.model_copy(
        update={"data": text, "command": text, "animals": (text, text), "software": {text: text}, "loss": text}
    )
    unlike = card.unlike_training.model_copy(update={"method": text, "measured_on": text, "flagged": {text: 0.5}})
    rows = tuple(row.model_copy(update={"animal": text}) for row in card.evaluation.per_animal)
    update = {
        **dict.fromkeys(("name", "description", "intended_use", "licence", "reference", "network"), text),
        "limits": (text,),
        "training": training,
        "evaluation": card.evaluation.model_copy(update={"silent": text, "per_animal": rows, "command": text}),
        "unlike_training": unlike,
    }
    return card.model_copy(update=update)


def structure_of(markdown: str) -> list[tuple[str, str]]:
    """Return what a reader of Markdown makes of it: kinds of parts, and the text in them."""
    found: list[tuple[str, str]] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown):
        for part in token.children if token.children is not None else [token]:
            if part.type == "text" and found and found[-1][0] == "text":
                found[-1] = ("text", found[-1][1] + part.content)
            elif part.type == "text_special":
                found.append(("text", part.content))
            else:
                found.append((part.type, part.content))
    return found


def test_a_users_own_bare_card_is_readable():
    bare = ModelCard(
        name="theirs", description="A network.", sha256="0" * 64, classes=("low", "high"), tile_px=512,
        pixel_size_um=0.5, pixel_size_tolerance=0.1, bit_depth=12, full_scale=4095, normalisation="external",
        count_scale=1.0, temperature=1.0, decision_threshold=0.5, engine_tolerance=1e-3, intended_use="Research.",
        limits=(), licence="MIT",
    )  # fmt: skip
    text = card_markdown(bare)
    assert "The card does not say what this model was trained on." in text
    assert "mean stretching, applied before the graph" in text
    assert "No reference is given." in text
