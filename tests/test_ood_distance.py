"""The distance from the training tiles: its arithmetic, what it shows, and the same number from every engine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from labelled_image_parts import texture_set
from model_parts import Inside, Plain, archive, make_model, random_tiles
from ood_parts import (
    card_with,
    measuring_model,
    measuring_network,
    shipped_network,
    test_tiles,
    unlike_training,
)
from scipy.spatial.distance import mahalanobis

from hcc_scope.datasets.labelled_image import CLASSES, LabelledImage
from hcc_scope.datasets.tiles import ArrayTiles, TileTable
from hcc_scope.errors import ModelFormatError, ModelSelfTestError, TrainingError
from hcc_scope.inference import load_model
from hcc_scope.inference.agreement import DISTANCE_TOLERANCE, distances_apart
from hcc_scope.inference.cuda import CudaClassifier
from hcc_scope.inference.openvino import OpenVinoClassifier, has_bf16
from hcc_scope.inference.torchscript import TorchScriptClassifier, parse
from hcc_scope.phantom import CameraPhysics, Specimen
from hcc_scope.plans.geometry import scattered_fields
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.tiling import TileGrid
from hcc_scope.training.export import to_torchscript
from hcc_scope.training.network import make_network
from hcc_scope.training.ood_distance import (
    FEWEST_TILES,
    LEAST_VARIANCE,
    WithDistance,
    distances_of,
    fit_distance,
    fit_ood_distance,
    mean_activations,
    table_of,
    threshold_for,
)
from hcc_scope.training.ood_tiles import STAIN, TWICE_AS_DENSE, draw_ood_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.loading import LoadedModel

NEEDS_BF16 = pytest.mark.skipif(not has_bf16(), reason="this CPU has no bfloat16 instructions")
EACH_ENGINE = ["torchscript", "openvino", pytest.param("openvino-bf16", marks=NEEDS_BF16)]


@pytest.fixture(scope="module")
def measuring() -> WithDistance:
    return measuring_network()[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(measuring_model(tmp_path_factory.mktemp("models") / "measuring"))


@pytest.fixture(scope="module")
def some_tiles() -> np.ndarray:
    """Tissue, turned and dimmed, and noise."""
    low, high = test_tiles()
    return np.stack([low, high, low[::-1], high.T, high // 2, random_tiles(1, 512)[0]])


# arithmetic


def test_it_is_the_mahalanobis_distance_where_every_direction_has_its_own_variance():
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(6, 6)) * 0.3
    means = np.exp(rng.normal(size=(400, 6)) @ mixing + 1.0)
    measuring = fit_distance(shipped_network(), means, components=5)
    logarithms = np.log1p(means / means.mean(axis=0))
    standard = (logarithms - logarithms.mean(axis=0)) / logarithms.std(axis=0)
    variances, directions = np.linalg.eigh(np.cov(standard, rowvar=False))
    covariance = directions @ np.diag(np.maximum(variances, LEAST_VARIANCE)) @ directions.T
    inverse = np.linalg.inv(covariance)
    wanted = [mahalanobis(one, np.zeros(6), inverse) for one in standard]
    np.testing.assert_allclose(distances_of(measuring, means), wanted, rtol=1e-4)


def test_directions_beyond_the_components_share_one_variance():
    rng = np.random.default_rng(2)
    means = np.exp(rng.normal(size=(500, 8)) * np.linspace(0.5, 1.0, 8))
    measuring = fit_distance(shipped_network(), means, components=2)
    covariance = np.linalg.inv(measuring.whitening.double().T @ measuring.whitening.double())
    variances = np.sort(np.linalg.eigvalsh(covariance))
    np.testing.assert_allclose(variances[:6], variances[:6].mean(), rtol=1e-4)
    assert variances[6] > 1.01 * variances[5]


def test_what_never_varied_in_training_counts_as_varying_by_a_tenth():
    rng = np.random.default_rng(3)
    means = np.exp(rng.normal(size=(100, 4)))
    means[:, 0] = 2.0
    means[:, 1] = 0.0
    measuring = fit_distance(shipped_network(), means)
    assert np.isfinite(distances_of(measuring, means)).all()
    other = means[:1].copy()
    other[0, 0] = 2.04  # a fifth of a deviation
    np.testing.assert_allclose(distances_of(measuring, other), distances_of(measuring, means[:1]), atol=0.7)
    other[0, 1] = 5.0  # a map that was always silent speaks
    assert distances_of(measuring, other)[0] > 100


def test_the_threshold_flags_no_more_than_its_share():
    distances = np.arange(1000, dtype=np.float32)
    for rate in (0.01, 0.05, 0.5):
        assert rate - 0.0011 <= (distances > threshold_for(distances, rate)).mean() <= rate
    ties = np.repeat(np.float32([1, 2]), [900, 100])
    assert (ties > threshold_for(ties, 0.01)).mean() == 0.0
    with pytest.raises(TrainingError, match="100 are needed"):
        threshold_for(distances[:99], 0.01)
    with pytest.raises(TrainingError) as refused:
        threshold_for(distances[:99], 0.01)
    assert "held-out" not in str(refused.value)  # they may be tiles of the training, each animal left out in turn


def test_too_few_tiles_are_refused():
    with pytest.raises(TrainingError, match=f"{FEWEST_TILES} are needed"):
        fit_distance(shipped_network(), np.ones((FEWEST_TILES - 1, 4)))


def test_logits_and_features_are_those_of_the_network_alone(measuring: WithDistance, some_tiles: np.ndarray):
    counts = torch.from_numpy(some_tiles[:, None].astype(np.float32))
    with torch.inference_mode():
        logits, features, distance = measuring(counts)
        plain_logits, plain_features = measuring.network(counts)
    assert torch.equal(logits, plain_logits)
    assert torch.equal(features, plain_features)
    assert distance.shape == (len(counts),)
    means = mean_activations(measuring.network, table_of(some_tiles), range(len(some_tiles)))
    np.testing.assert_allclose(distance.numpy(), distances_of(measuring, means), rtol=1e-4)


@pytest.mark.parametrize("name", ["meng2019", "compact"])
def test_both_networks_can_be_measured_and_exported(name: str):
    network = make_network(name, seed=1).eval()  # type: ignore[arg-type]
    tiles = test_tiles()
    means = mean_activations(network, table_of(tiles), range(2))
    around = means[0] * np.exp(0.1 * np.random.default_rng(0).standard_normal((FEWEST_TILES, means.shape[1])))
    measuring = fit_distance(network, around)
    artefact = to_torchscript(measuring)
    module = parse(artefact, "it")
    with torch.inference_mode():
        counts = torch.from_numpy(tiles[:, None].astype(np.float32))
        for found, wanted in zip(module(counts), measuring(counts), strict=True):
            torch.testing.assert_close(found, wanted)
    engine = OpenVinoClassifier(module, card_with(unlike_training(1.0)), 1)
    np.testing.assert_allclose(engine.classify(tiles).distances, measuring(counts)[2].detach(), rtol=1e-3)


# fitting


def labelled(tiles: np.ndarray, animals: list[str]) -> TileTable:
    images = tuple(
        LabelledImage(
            path=f"/nowhere/{i}.tif", index=0, tumour_class=CLASSES[i % 2], animal_id=animal, section_id="s1",
            day="2026-01-01", pixel_size_um=0.325, shape_yx=(512, 512), bit_depth=16,
        )
        for i, animal in enumerate(animals)
    )  # fmt: skip
    return TileTable(images, np.arange(len(tiles)), np.zeros(len(tiles), np.int64), ArrayTiles(tiles))


def test_the_card_states_what_the_threshold_was_set_on(monkeypatch: pytest.MonkeyPatch):
    _, table = texture_set(animals_per_class=4, images=1)
    names = [table.images[i].animal_id for i in table.image_index]
    rng = np.random.default_rng(5)
    network = shipped_network()
    # 8 tiles seen 40 times each, a little different every time: what is tested are words and arithmetic
    own = mean_activations(network, table, range(len(table)))
    many = labelled(np.zeros((320, 1, 1), np.uint16), names * 40)
    noisy = np.tile(own, (40, 1)) * np.exp(0.1 * rng.standard_normal((320, own.shape[1])))
    monkeypatch.setattr(
        "hcc_scope.training.ood_distance.mean_activations", lambda _n, _t, rows, **_: noisy[np.asarray(rows)]
    )
    rows = np.arange(320)
    held_out = np.isin(np.array(names * 40), names[:4])
    fitted = partial(fit_ood_distance, network, many)
    found = fitted(rows[~held_out], rows[held_out])
    record = found.record
    np.testing.assert_array_equal(found.held_out_distances, distances_of(found.network, noisy[held_out]))
    assert record.measured_on == "160 tiles of 4 animals that the distance was not fitted to"
    assert record.false_flag_rate == 0.01
    record = fitted(rows[:160], rows[160:]).record  # the same animals in both
    assert (
        record.measured_on
        == "160 tiles of other images; some of their animals had tiles that the distance was fitted to"
    )
    found = fitted(rows, [])
    record = found.record
    assert len(found.held_out_distances) == 0
    assert record.measured_on == "320 training tiles of 8 animals, each by a distance fitted to the others"
    assert record.threshold > threshold_for(distances_of(found.network, noisy), 0.01)  # training tiles are nearer
    with pytest.raises(TrainingError, match="all tiles are of one animal"):
        fitted(rows[np.array(names * 40) == names[0]].repeat(2), [])


@pytest.fixture(scope="module")
def phantoms() -> TileTable:
    """Tiles of six phantom animals, one section each, as a microscope would take them."""
    grid, camera, limits = TileGrid.for_frame((1024, 1024)), CameraPhysics(), QualityLimits()
    tiles, animals = [], []
    for number in range(6):
        rng = np.random.default_rng(number)
        specimen = Specimen(7, f"unlike-{number}", "s1", CLASSES[number % 2], day=f"unlike-{number}", cache_mb=1)
        for x_um, y_um in scattered_fields(5, (333.0, 333.0), specimen.outline_um, number):
            field = specimen.render(x_um, y_um, rng.standard_normal(), (1024, 1024), 0.325)
            exposure_ms = 10.0 * float(np.exp(0.1 * rng.standard_normal()))
            pixels = camera.expose(field, exposure_ms=exposure_ms, noise_seed=number, day=specimen.day_effect)
            kept = grid.cut(pixels, np.flatnonzero(assess(pixels, grid, limits, 16).flags == 0))
            tiles.append(kept)
            animals += [specimen.animal] * len(kept)
    return labelled(np.concatenate(tiles), animals)


def test_tiles_that_the_shipped_network_was_not_trained_for_are_flagged(phantoms: TileTable):
    assert TWICE_AS_DENSE not in draw_ood_tiles(1, of_phantom=False)  # it is not the stain of a real training
    kinds = draw_ood_tiles(8, seed=3)
    assert list(kinds) == ["noise", "fluorescent beads", "waves", "blank glass", STAIN, TWICE_AS_DENSE]
    record = fit_ood_distance(shipped_network(), phantoms, np.arange(len(phantoms)), [], others=kinds).record
    flagged = {what: share for what, share in record.flagged.items() if what != TWICE_AS_DENSE}
    assert min(flagged.values()) >= 0.85, record.flagged  # of 8; fitted to few tiles here
    model = load_model("phantom-meng2019")
    assert model.card.unlike_training is not None
    engine, threshold = model.classifier(), model.card.unlike_training.threshold
    for what in kinds.keys() - {TWICE_AS_DENSE}:
        distances = engine.classify(kinds[what]).distances
        assert distances is not None
        assert (distances > threshold).all(), what


# engines


@pytest.mark.parametrize("name", EACH_ENGINE)
def test_every_engine_gives_the_distance_of_the_reference(model: LoadedModel, name: str, some_tiles: np.ndarray):
    reference = TorchScriptClassifier(model.module, model.card, 1)
    engine = model.classifier(name)  # has passed the comparison of distances
    answer = engine.classify(some_tiles)
    distances = answer.distances
    wanted = reference.classify(some_tiles).distances
    assert wanted is not None
    assert distances is not None
    assert distances.dtype == np.float32
    assert model.card.unlike_training is not None
    assert distances_apart(wanted, distances, model.card.unlike_training.threshold) <= DISTANCE_TOLERANCE
    assert distances[-1] > 3 * model.card.unlike_training.threshold  # noise
    np.testing.assert_array_equal(engine.classify(some_tiles).logits, answer.logits)
    # one tile alone, and with another number of threads: the same bits
    alone = np.concatenate([engine.classify([tile]).distances for tile in some_tiles])
    np.testing.assert_array_equal(alone, distances)
    threaded = model.classifier(name, threads=3).classify(some_tiles).distances
    if name != "torchscript":
        np.testing.assert_array_equal(threaded, distances)
    np.testing.assert_allclose(threaded, distances, rtol=1e-5)
    nothing = engine.classify([])
    assert nothing.logits.shape == (0, 2)
    assert nothing.distances is not None
    assert nothing.distances.shape == (0,)


@pytest.mark.parametrize("name", ["openvino", pytest.param("openvino-bf16", marks=NEEDS_BF16)])
def test_the_stem_is_still_recognised(model: LoadedModel, name: str):
    assert ("stem+" in model.classifier(name).engine) == (
        "stem+" in load_model("phantom-meng2019").classifier(name).engine
    )


def test_the_gpu_engine_gives_distances_of_whole_and_padded_batches(tmp_path: Path):
    class Measuring(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inside(Plain(), 2.0**-13)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            logits, features = self.inner(x)
            return logits, features, x.mean(dim=-1).mean(dim=-1).squeeze(1)

    torch.manual_seed(3)
    inputs = random_tiles(20)
    module = Measuring()
    with torch.inference_mode():
        outputs = module(torch.from_numpy(inputs.astype(np.float32))[:, None])[0].numpy()
    record = unlike_training(1.0).model_dump()
    loaded = load_model(make_model(tmp_path / "measuring", archive(module), outputs, inputs, unlike_training=record))
    distances = CudaClassifier(loaded.module, loaded.card, "cpu").classify(inputs).distances
    np.testing.assert_allclose(distances, inputs.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("make", [TorchScriptClassifier, OpenVinoClassifier])
def test_models_without_a_third_output_give_no_distance(make: type, some_tiles: np.ndarray):
    plain = parse(to_torchscript(shipped_network()), "it")
    answer = make(plain, card_with(None), 1).classify(some_tiles[:1])
    assert answer.logits.shape == (1, 2)
    assert answer.distances is None


@pytest.mark.parametrize("make", [TorchScriptClassifier, OpenVinoClassifier])
def test_card_and_outputs_have_to_agree(make: type, model: LoadedModel, some_tiles: np.ndarray):
    silent = model.card.model_copy(update={"unlike_training": None})
    with pytest.raises(ModelFormatError, match="has a third output, but its card has no unlike_training"):
        make(model.module, silent, 1).classify(some_tiles[:1])
    plain = parse(to_torchscript(shipped_network()), "it")
    with pytest.raises(ModelFormatError, match="no third one, the distance"):
        make(plain, model.card, 1).classify(some_tiles[:1])


def test_an_engine_whose_distances_are_others_is_refused(model: LoadedModel):
    agreement = model.agreement()
    assert agreement.distances is not None
    wrong = replace(agreement, distances=agreement.distances * 1.2 + 10)
    with pytest.raises(ModelSelfTestError, match="distance from the training tiles differs"):
        wrong.check(model.classifier())
