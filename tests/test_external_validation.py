"""A finished model on new animals: what is refused, what is found, and what a correction would change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
from scipy.special import expit

from hcc_scope.datasets.tiles import ArrayTiles
from hcc_scope.errors import DatasetError, LeakError, ModelMismatchError, StoreExistsError, TrainingError, UsageError
from hcc_scope.evaluation.aggregation import Scored
from hcc_scope.evaluation.external.admission import check_images
from hcc_scope.evaluation.external.recalibration import fit_cox, recalibrate
from hcc_scope.evaluation.input_summary import FEATURE_NAMES, input_differences, input_summary
from hcc_scope.evaluation.record import load_calibration
from hcc_scope.inference.card import TrainingRecord, read_card, write_card
from hcc_scope.training.metrics import roc_auc
from tests.commands import cli
from tests.labelled_image_parts import texture_set
from tests.model_parts import archive, make_model

if TYPE_CHECKING:
    from tests.commands import Done

BRIGHT = 33_000.0
"""Mean from which the model below finds a tile unlike its training."""


class Grain(torch.nn.Module):
    """Tells fine from coarse texture: log-odds, and the mean grey level as the distance from its training."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        counts = x.to(torch.float32)
        mean = counts.mean(dim=[1, 2, 3])
        step = (counts[:, :, :, 1:] - counts[:, :, :, :-1]).abs().mean(dim=[1, 2, 3])
        odds = (step / mean - 0.055) * 200.0
        logits = torch.stack([-odds / 2.0, odds / 2.0], dim=1)
        return logits, logits, mean


def odds_of(pixels: np.ndarray) -> float:
    counts = pixels.astype(np.float64)
    return float((np.abs(np.diff(counts, axis=1)).mean() / counts.mean() - 0.055) * 200.0)


def image(rng: np.random.Generator, label: int, shift: float) -> np.ndarray:
    """Finer texture for *high*; the animal's own grain in between."""
    share = np.clip((0.6 if label else 0.4) + shift, 0.1, 0.9)
    fine = np.kron(rng.normal(size=(256, 256)), np.ones((2, 2)))
    coarse = np.kron(rng.normal(size=(64, 64)), np.ones((8, 8)))
    return (30_000 + 5_000 * (share * fine + (1 - share) * coarse)).clip(0, 65_535).astype(np.uint16)


@pytest.fixture(scope="module")
def new_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three animals per class from two sites, two images each; the last one is too bright."""
    folder, rng = tmp_path_factory.mktemp("new"), np.random.default_rng(5)
    lines = ["path,class,animal_id,section_id,day,pixel_size_um,site"]
    for label, name in enumerate(("low", "high")):
        for animal in range(3):
            shift = rng.normal(0, 0.2)
            for k in range(2):
                pixels = image(rng, label, shift)
                if (label, animal, k) == (1, 2, 1):
                    pixels = (pixels + 6_000).astype(np.uint16)
                file = f"{name}{animal}-{k}.tif"
                tifffile.imwrite(folder / file, pixels, photometric="minisblack")
                lines.append(f"{file},{name},n-{name}{animal},s{k},2026-05-01,0.325,{'Kyoto' if animal else 'Nara'}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose card knows its animals and its training tiles."""
    labelled, tiles = texture_set(animals_per_class=2)
    data = archive(Grain())
    test = tiles.reader.read([0, 1])
    with torch.inference_mode():
        out = Grain()(torch.from_numpy(test.astype(np.float32))[:, None])[0].numpy()
    summary = input_summary(tiles, np.arange(len(tiles)), labelled.bit_depth, images=range(len(tiles.images)))
    training = TrainingRecord(
        data="noise", command="none", seed=0, animals=("low-1", "high-1"), tiles=8, epochs=1, loss="none",
        optimiser="none", software={}, synthetic=True, colour="od", data_fingerprint=labelled.fingerprint,
    )  # fmt: skip
    unlike = {
        "method": "mean grey", "components": 1, "threshold": BRIGHT, "false_flag_rate": 0.01, "measured_on": "noise"
    }  # fmt: skip
    folder = make_model(
        tmp_path_factory.mktemp("model") / "grain", data, out, test, tile_px=512, engine_tolerance=1e-2,
        temperature=2.0, decision_threshold=0.4, training=training, unlike_training=unlike,
    )  # fmt: skip
    write_card(read_card(folder).model_copy(update={"inputs": summary}), folder)
    return folder


@pytest.fixture(scope="module")
def done(new_set: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    out = tmp_path_factory.mktemp("external") / "e"
    return cli("evaluate", new_set, "--out", out, "--model", model, "--json"), out


def test_every_figure_is_that_of_the_models_own_probabilities(done: tuple[Done, Path], new_set: Path):
    command, out = done
    assert command.code == 0, command.err
    found = command.json
    assert (found["schema"], found["kind"], found["model"]["name"]) == (3, "external", "grain")
    # by hand: probability of an image of one tile, without the bright one
    odds = {path.name: odds_of(tifffile.imread(path)) for path in sorted(new_set.parent.glob("*.tif"))}
    for row in found["images"]:
        name = Path(row["path"]).name
        if name == "high2-1.tif":
            assert "external" not in row
        else:
            assert row["external"]["score"] == pytest.approx(expit(odds[name] / 2.0), abs=1e-4)
            assert row["site"] in {"Kyoto", "Nara"}
    kept = {name: value for name, value in odds.items() if name != "high2-1.tif"}
    labels = np.array([int(name.startswith("high")) for name in kept])
    values = np.array(list(kept.values()))
    assert found["levels"]["image"]["auc"]["value"] == pytest.approx(roc_auc(values, labels))
    assert found["levels"]["image"]["auc"]["interval"] is not None
    assert (found["levels"]["tile_all"]["n"], found["levels"]["tile"]["n"]) == (12, 11)
    assert (found["unlike_tiles"], found["unscored"]) == (1, [["n-high2", "s1"]])
    scores = expit(values / 2.0)
    animals = {
        animal: np.mean([s for s, name in zip(scores, kept, strict=True) if name.startswith(animal)])
        for animal in ("low0", "low1", "low2", "high0", "high1", "high2")
    }
    right = np.mean([(score >= 0.4) == animal.startswith("high") for animal, score in animals.items()])
    assert found["levels"]["animal"]["accuracy"]["value"] == pytest.approx(right)
    assert found["levels"]["animal"]["accuracy"]["interval"]["method"] == "clopper-pearson"
    assert [(site["name"], site["animals"], site["test_tiles"]) for site in found["sites"]] == [
        ("Kyoto", 4, 8),
        ("Nara", 2, 4),
    ]
    tile = found["calibration"]["tile"]
    assert tile["mean_probability"] == pytest.approx(scores.mean(), abs=1e-4)
    assert tile["as_it_is"]["brier"] == pytest.approx(np.mean((scores - labels) ** 2), abs=1e-4)
    assert json.loads((out / "evaluation.json").read_text(encoding="utf-8"))["headline"] == found["headline"]


def test_the_report_names_what_a_reader_has_to_know(done: tuple[Done, Path]):
    command, out = done
    report = (out / "report.md").read_text(encoding="utf-8")
    assert {path.name for path in out.iterdir()} == {"report.md", "evaluation.json", "figures"}
    drawn = {path.name for path in (out / "figures").iterdir()}
    assert drawn == {f"{n}.{kind}" for n in ("roc", "animals", "reliability", "drift") for kind in ("png", "svg")}
    for words in (
        "External validation of grain: AUC of images",
        "on the right side of the model's threshold",
        "None of the 2 animals that the card of grain names is in this set. No image has the pixels of one of its 1",
        "No score, because nothing else is left: section s1 of n-high2",
        "No baseline stands beside the model",
        "The model was trained on a synthetic phantom only",  # and the images are not known to be of one
        "grain was trained on colour images, converted by od (the light that the mean optical density",
        "The model itself is not changed",
        "| Nara |",
        "![drift](figures/drift.png)",
    ):
        assert words in report, words
    assert "differ from those of the training by more than animals differ by chance" in report
    assert "External validation of grain" in command.err


def test_an_external_validation_is_no_basis_for_a_training(done: tuple[Done, Path]):
    with pytest.raises(TrainingError, match="judges a finished model on other animals"):
        load_calibration(done[1])


MISTAKES: dict[str, tuple[list[str], dict[str, Any], type, str]] = {
    "options of a training": (
        ["--folds", "3", "--network", "compact"], {}, UsageError, "with --model --network and --folds would decide"
    ),
    "to be continued": (["--resume"], {}, UsageError, "with --model --resume would decide nothing"),
    "another pixel size": ([], {"pixel_size_um": 0.5}, ModelMismatchError, "low0-0.tif has 0.325 um/px but the model"),
    "another bit depth": ([], {"bit_depth": 12, "full_scale": 4095}, ModelMismatchError, "has 16 bits but the model"),
    "other tiles": ([], {"tile_px": 256}, ModelMismatchError, "tiles have 512 px but the model"),
    "a wanted correction": ([], {"shading": "required"}, ModelMismatchError, "requires images corrected by dark"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "card", "error", "words"), MISTAKES.values(), ids=MISTAKES)
def test_what_cannot_be_is_refused_in_one_sentence(
    options: list[str], card: dict[str, Any], error: type, words: str, new_set: Path, model: Path, tmp_path: Path
):
    write_card(read_card(model).model_copy(update=card), tmp_path)  # nothing but the card is read before
    refused = cli("evaluate", new_set, "--out", tmp_path / "e", "--model", tmp_path, *options)
    assert refused.code == error.exit_code
    assert words in " ".join(refused.err.split())
    assert not (tmp_path / "e").exists()


def test_images_that_were_converted_in_another_way_are_refused(model: Path):
    data, _ = texture_set(animals_per_class=2)
    green = replace(data, images=tuple(replace(image, colour="green") for image in data.images))
    with pytest.raises(ModelMismatchError, match=r"converted by od, and those of .* are converted by green"):
        check_images(read_card(model), green, 512)


def test_animals_and_images_that_the_model_was_trained_on_are_refused(new_set: Path, model: Path, tmp_path: Path):
    card = read_card(model)
    assert card.training is not None
    assert card.inputs is not None

    def refused(**update: object) -> str:
        write_card(card.model_copy(update=update), model)
        found = cli("evaluate", new_set, "--out", tmp_path / "e", "--model", model, "--no-figures")
        assert found.code == LeakError.exit_code, found.err
        assert not (tmp_path / "e").exists()
        return " ".join(found.err.split())

    try:
        animals = card.training.model_copy(update={"animals": ("n-low1", "n-high0", "x")})
        assert "trained or calibrated on animals of" in refused(training=animals)
        from hcc_scope.datasets.cache import digest_of

        known = digest_of(tifffile.imread(new_set.parent / "high1-0.tif"))[:12]
        inputs = card.inputs.model_copy(update={"images": f"{card.inputs.images} {known}"})
        assert "was trained on the pixels of high1-0.tif" in refused(inputs=inputs)
        # animals that only have the same names
        write_card(card.model_copy(update={"training": animals, "inputs": None}), model)
        done = cli(
            "evaluate", new_set, "--out", tmp_path / "e", "--model", model, "--no-figures", "--new-animals", "--json"
        )
        assert done.code == 0, done.err
        assert done.json["leak_check"]["same_names"] == ["n-high0", "n-low1"]
        assert "does not state what its training tiles look like" in done.json["drift"]["sentence"]
        again = cli("evaluate", new_set, "--out", tmp_path / "e", "--model", model, "--new-animals")
        assert again.code == StoreExistsError.exit_code
    finally:
        write_card(card, model)
    alone = cli("evaluate", new_set, "--out", tmp_path / "f", "--new-animals")
    assert alone.code == UsageError.exit_code
    assert "--new-animals is for a finished model" in alone.err


def test_a_set_that_is_wholly_unlike_the_training_gives_no_figures(new_set: Path, model: Path, tmp_path: Path):
    card = read_card(model)
    assert card.unlike_training is not None
    try:
        unlike = card.unlike_training.model_copy(update={"threshold": 1.0})
        write_card(card.model_copy(update={"unlike_training": unlike}), model)
        refused = cli("evaluate", new_set, "--out", tmp_path / "e", "--model", model)
    finally:
        write_card(card, model)
    assert refused.code == DatasetError.exit_code
    assert "every tile of" in refused.err
    assert "there is nothing to count" in " ".join(refused.err.split())
    assert list(tmp_path.iterdir()) == []


# ---- recalibration --------------------------------------------------------------------------------------------------


def cohort(seed: int, animals: int = 4, tiles: int = 40) -> Scored:
    """Tiles whose log-odds are right; animals differ."""
    rng = np.random.default_rng(seed)
    animal = np.repeat(np.arange(2 * animals), tiles)
    odds = np.where(animal >= animals, 1.0, -1.0) + rng.normal(0, 0.4, 2 * animals)[animal]
    odds = odds + rng.normal(0, 1.0, len(odds))
    labels = (rng.random(len(odds)) < expit(odds)).astype(np.int64)
    names = tuple((i,) for i in range(len(odds)))
    return Scored("tile", labels, expit(odds), odds, animal, np.zeros_like(labels), names, tuple(map(str, range(8))))


def test_intercept_and_slope_are_the_most_likely_ones_and_undo_a_distortion():
    values = cohort(1, tiles=2000)
    plain, distorted = fit_cox(values.ranks, values.labels), fit_cox(2.0 * values.ranks + 1.0, values.labels)
    assert plain is not None
    assert distorted is not None
    assert (plain.intercept, plain.slope) == (pytest.approx(0.0, abs=0.1), pytest.approx(1.0, abs=0.1))
    assert distorted.slope == pytest.approx(plain.slope / 2.0, rel=1e-6)
    assert distorted.intercept == pytest.approx(plain.intercept - plain.slope / 2.0, abs=1e-6)
    p = plain.apply(values.ranks)
    assert abs((p - values.labels).sum()) < 1e-4  # the likelihood's gradient is none
    assert abs(((p - values.labels) * values.ranks).sum()) < 1e-4


def test_a_correction_is_judged_on_animals_that_it_was_not_fitted_to():
    values = cohort(2)
    sure = recalibrate(values, 4.0 * values.ranks)
    assert sure.slope is not None
    assert sure.slope.interval is not None
    assert sure.slope.interval.high < 1.0  # far too sure, and it is seen
    assert sure.with_intercept_and_slope is not None
    assert sure.with_intercept_and_slope.brier < sure.as_it_is.brier
    squares = []
    for animal in range(8):  # by hand: fitted to all others, the classes weighted as in the whole set
        others, own = values.animals != animal, values.animals == animal
        share = np.bincount(values.labels) / np.bincount(values.labels[others])
        fit = fit_cox(4.0 * values.ranks[others], values.labels[others], share[values.labels[others]])
        assert fit is not None
        squares += ((fit.apply(4.0 * values.ranks[own]) - values.labels[own]) ** 2).tolist()
    assert sure.with_intercept_and_slope.brier == pytest.approx(np.mean(squares), rel=1e-6)
    right = recalibrate(values, values.ranks)
    assert right.in_the_large is not None
    assert right.in_the_large.interval is not None
    assert right.in_the_large.interval.low < 0 < right.in_the_large.interval.high
    assert right.slope is not None
    assert right.slope.interval is not None
    assert right.slope.interval.low < 1 < right.slope.interval.high


def test_what_has_no_slope_is_reported():
    values = cohort(3)
    apart = recalibrate(values, np.where(values.labels == 1, 2.0, -2.0) + 0.1 * values.ranks)
    assert (apart.slope, apart.with_intercept_and_slope) == (None, None)
    assert apart.why_not is not None
    assert "separated wholly" in apart.why_not
    one_class = recalibrate(replace(values, labels=np.ones_like(values.labels)), values.ranks)
    assert (one_class.slope, one_class.in_the_large, one_class.temperature) == (None, None, None)
    assert one_class.why_not == "all are of one class"
    two = np.isin(values.animals, [0, 1, 5, 6])
    by_animal = replace(values, labels=(values.animals >= 4).astype(np.int64)).part(two)
    few = recalibrate(by_animal, by_animal.ranks)
    assert few.slope is not None
    assert few.slope.interval is None
    assert few.why_not == "a class has fewer than 3 animals"


# ---- drift ----------------------------------------------------------------------------------------------------------


def test_a_difference_of_the_inputs_is_found_and_a_share_of_the_classes_is_none():
    _, tiles = texture_set(animals_per_class=3)
    rows = np.arange(len(tiles))
    training = input_summary(tiles, rows, 16, images=range(3))
    assert tuple(training.features) == FEATURE_NAMES
    assert training.images == "0" * 12  # of digests that differ in their last digits alone
    same = input_differences(training, input_summary(tiles, rows, 16))
    assert all(one.difference.value == 0.0 and not one.shifted for one in same)
    mean = training.features["grey level"].mean
    pixels = tiles.reader.read(rows)
    assert mean == pytest.approx(pixels.mean() / 65535, rel=1e-3)
    # fewer tiles of one class are no other input
    fewer = np.flatnonzero((tiles.labels == 1) | (rows % 2 == 0))
    lopsided = {one.name: one for one in input_differences(training, input_summary(tiles, fewer, 16))}
    assert abs(lopsided["structure at 2 px"].difference.value) < 0.5  # of classes that lie 20 apart
    darker = replace(tiles, reader=ArrayTiles((pixels * 0.7).astype(np.uint16)))
    found = {one.name: one for one in input_differences(training, input_summary(darker, rows, 16))}
    assert found["grey level"].shifted
    assert found["grey level"].difference.value < -5
    assert not found["structure at 8 px"].shifted  # neither level nor contrast is in it
    assert not found["entropy at 4 px"].shifted
