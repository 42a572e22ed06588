"""Heads for bags: what they find, that nothing of a test fold decides it, and what is written of them."""

from __future__ import annotations

import csv
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.bag_heads import drawn_bags
from hcc_scope.errors import ModelError, ModelFormatError, UsageError
from hcc_scope.evaluation.bag_analysis import analyse_bags
from hcc_scope.evaluation.bag_features import FrozenFeatures, StartFeatures, extracted
from hcc_scope.evaluation.bag_folds import bags_of, run_heads
from hcc_scope.evaluation.bag_report import BagOrigin, describe_few, write_bags
from hcc_scope.evaluation.bag_run import BagPlan, evaluate_bags, kind_of
from hcc_scope.evaluation.baselines import baseline_fold
from hcc_scope.evaluation.figures.attention import draw_attention
from hcc_scope.evaluation.splits import protocol_splits
from hcc_scope.inference.extractor import MOST_FEATURES, load_extractor
from hcc_scope.progress import ignore_progress
from hcc_scope.training.bags import HEADS, Reduction, fit_head
from hcc_scope.training.metrics import roc_auc
from tests.commands import cli
from tests.dataset_parts import small_set
from tests.labelled_image_parts import texture_set

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.bag_analysis import BagAnalysis
    from hcc_scope.evaluation.results import Split


def test_attention_finds_the_few_tiles_that_carry_the_class():
    rng = np.random.default_rng(1)
    labels, tested = np.arange(40) % 2, np.arange(40) % 2
    bags, others = (drawn_bags(rng, which, 0.1, 5.0, 20) for which in (labels, tested))
    reduction = Reduction.fit(np.concatenate(bags))
    found = {}
    for name in HEADS:
        head = fit_head(name, [reduction.apply(bag) for bag in bags], labels, reduction, 7)
        scores = [head.score(bag) for bag in others]
        found[name] = roc_auc(np.array([score.logit for score in scores]), tested)
        for score in scores:
            assert score.weights.sum() == pytest.approx(1.0, abs=1e-5)
            assert score.logit == pytest.approx(float(score.weights @ score.tile_logits), abs=1e-3)
        if name == "gated-attention":
            carrying = np.mean([score.weights[:2].sum() for score, label in zip(scores, tested, strict=True) if label])
            assert carrying > 0.3  # of two tiles in twenty
    assert found["gated-attention"] > 0.9 > found["mean-logit"]


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_the_same_again_and_scores_each_bag_alone(name: str):
    rng = np.random.default_rng(2)
    labels = np.arange(8) % 2
    bags = drawn_bags(rng, labels, 1.0, 1.0, 5)
    reduction = Reduction.fit(np.concatenate(bags))
    reduced = [reduction.apply(bag) for bag in bags]
    one, other = (fit_head(name, reduced, labels, reduction, 3) for _ in range(2))  # type: ignore[arg-type]
    shuffled = bags[0][::-1].copy()
    assert one.score(bags[0]).logit == other.score(bags[0]).logit
    assert one.score(shuffled).logit == pytest.approx(one.score(bags[0]).logit, abs=1e-5)


def test_the_reduction_does_not_depend_on_which_of_tiles_and_features_are_more():
    features = np.random.default_rng(3).normal(size=(50, 8)).astype(np.float32) * np.arange(1, 9, dtype=np.float32)
    wide = np.concatenate([features] * 8, axis=1)  # 64 features of 50 tiles: the other way to the same components
    narrow = np.abs(Reduction.fit(features).apply(features))
    np.testing.assert_allclose(np.abs(Reduction.fit(wide).apply(wide))[:, :8], narrow, atol=1e-3)
    assert Reduction.fit(np.ones((5, 3), np.float32)).apply(np.ones((2, 3), np.float32)).tolist() == [[0.0], [0.0]]


def splits_of(tiles: TileTable, seed: int = 1) -> tuple[Split, ...]:
    paper, by_animal = protocol_splits(tiles, 3, seed)
    return *paper, *by_animal


def test_bags_are_sections_by_animal_and_images_under_the_papers_protocol():
    _, tiles = texture_set(animals_per_class=2, sections=2, images=2, tiles=2)
    paper, by_animal = (next(s for s in splits_of(tiles) if s.protocol == name) for name in ("paper", "by_animal"))
    for split, tiles_each in ((paper, 2), (by_animal, 4)):
        bags = bags_of(tiles, split.test_rows(tiles), split)
        assert {len(bag.places) for bag in bags} == {tiles_each}
        assert sorted(np.concatenate([bag.places for bag in bags])) == list(range(len(split.test_rows(tiles))))
        for bag in bags:
            assert {int(tiles.labels[split.test_rows(tiles)[place]]) for place in bag.places} == {bag.label}


class Spied:
    """Features of an evaluation's test tiles that must not decide anything that is trained."""

    words, n_features = "drawn numbers", 6

    def __init__(self, tiles: TileTable, spoil: bool) -> None:
        self._tiles, self._spoil = tiles, spoil
        self._features = np.random.default_rng(5).normal(size=(len(tiles), 6)).astype(np.float32)

    def starts_of(self, split: Split) -> Iterator[StartFeatures]:
        test = self._features[split.test_rows(self._tiles)]
        if self._spoil:
            test = np.concatenate([test[:2], 50.0 * test[2:] + 7.0])
        yield StartFeatures(1, self._features[split.train_rows(self._tiles)], test)

    def counted(self, split: Split) -> np.ndarray:
        return np.ones(len(split.test_rows(self._tiles)), bool)


def test_no_test_tile_of_another_bag_changes_a_score():
    _, tiles = texture_set(animals_per_class=2, sections=2, images=1, tiles=2)
    splits = [split for split in splits_of(tiles) if split.protocol == "by_animal"]
    plain, spoilt = (run_heads(HEADS, Spied(tiles, bad), splits, tiles, 1, ignore_progress) for bad in (False, True))
    for head in HEADS:
        for one, other in zip(plain[head], spoilt[head], strict=True):
            assert one.logits[0, 0] == other.logits[0, 0]
            assert not np.allclose(one.logits[0, 1:], other.logits[0, 1:])


@pytest.fixture(scope="module")
def analysed():
    data, tiles = texture_set(animals_per_class=3, sections=1, images=2, tiles=2)
    known = np.stack([tiles.labels, np.arange(len(tiles)) % 3], axis=1).astype(np.float32)
    splits = splits_of(tiles)
    source = FrozenFeatures(tiles, known, "the labels themselves", 2)
    heads = run_heads(HEADS, source, splits, tiles, 1, ignore_progress)
    texture = [baseline_fold(split, tiles, known) for split in splits]
    return analyse_bags(data, tiles, source.words, 2, heads, {"texture": (texture, 1.0)})


def test_figures_of_a_head_that_knows_the_class(analysed: BagAnalysis):
    for head in HEADS:
        for protocol, level, n in (("by_animal", "section", 6), ("by_animal", "animal", 6), ("paper", "image", 12)):
            figures = analysed.of(head, protocol).levels[level]
            assert (figures.n, figures.auc.value, figures.auc.sd_of_starts) == (n, 1.0, 0.0)
    assert {(one.one, one.other) for one in analysed.differences} == {
        ("gated-attention", "mean-logit"),
        ("mean-logit", "texture"),
        ("gated-attention", "texture"),
    }


def test_six_sections_can_show_nothing_and_the_report_states_that(analysed: BagAnalysis):
    words = describe_few(analysed)
    assert words.startswith("6 sections: a head that knows nothing puts 3 animals of class low and 3 of class high")
    assert "in 1 of 20 cases" in words
    assert "not even a perfect result" in words
    assert "better" not in words


def test_what_is_written(analysed: BagAnalysis, tmp_path: Path):
    drawn = draw_attention(analysed, tmp_path / "figures")
    origin = BagOrigin("extractor", 3, 1, file="e.pt", sha256="0" * 64)
    content = write_bags(analysed, origin, tmp_path, "hcc-scope evaluate-bags m.csv", ["figures/attention.png"])
    assert [path.name for path in drawn] == ["attention.png", "attention.svg"]
    assert json.loads((tmp_path / "bags.json").read_text())["headline"] == content["headline"]
    assert content["features"]["sha256"] == "0" * 64
    report = (tmp_path / "bags.md").read_text()
    assert describe_few(analysed) in report
    assert "| by animal (a bag is a section) | gated attention | section | 6 | 1.00" in report
    lines = list(csv.DictReader((tmp_path / "attention.csv").read_text().splitlines()))
    assert len(lines) == 2 * len(analysed.tiles)
    sums: dict[tuple[str, ...], float] = {}
    for line in lines:
        bag = line["path"] if line["protocol"] == "paper" else line["section_id"]
        key = (line["protocol"], line["animal_id"], bag)
        sums[key] = sums.get(key, 0.0) + float(line["attention"])
    assert all(total == pytest.approx(1.0, abs=1e-4) for total in sums.values())


# ---- extractors ------------------------------------------------------------------------------------------------------


class Means(nn.Module):
    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return torch.cat([tiles.mean((2, 3)), tiles.std((2, 3))], dim=1)


class Edges(nn.Module):
    """Knows the grain of `texture_set`, so the class."""

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return (tiles[:, :, :, 1:] - tiles[:, :, :, :-1]).abs().mean((2, 3))


class Flawed(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.calls = how, 0

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        if self.how == "maps":
            return tiles
        self.calls += 1
        if self.how == "nan" or (self.how == "late" and self.calls > 3):
            return tiles.mean((2, 3)) * float("nan")
        if self.how == "late":
            return tiles.mean((2, 3))
        if self.how == "random":
            return torch.rand(tiles.shape[0], 4)
        if self.how == "wide":
            return tiles.reshape(tiles.shape[0], -1)
        return tiles.reshape(tiles.shape[0], 3, -1).mean(2)


def saved(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(path)  # type: ignore[no-untyped-call]
    return path


def test_an_extractor_is_given_what_it_takes(tmp_path: Path):
    path = saved(Means(), tmp_path / "means.pt")
    tile = np.full((512, 512), 65_535, np.uint16)
    tile[:, 256:] = 0
    counts = load_extractor(path, kind="counts", full_scale=65_535)
    assert counts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_allclose(counts.features(tile), [32_767.5, 32_767.6], rtol=1e-4)
    photographs = load_extractor(path, kind="imagenet", full_scale=65_535, input_px=224)
    mean = (0.5 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(photographs.features(tile)[:3], mean, atol=1e-4)


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("maps", ModelFormatError, r"shape \(1, 1, 512, 512\) for one tile"),
        ("wide", ModelFormatError, f"from 1 to {MOST_FEATURES} are expected"),
        ("nan", ModelError, "no finite number"),
        ("random", ModelError, "other features when it is given the same tile again"),
        ("channels", ModelError, r"failed on a tile \(raw counts, one channel\)"),
    ],
)
def test_a_flawed_extractor_is_refused(tmp_path: Path, how: str, error: type[Exception], message: str):
    extractor = load_extractor(saved(Flawed(how), tmp_path / "e.pt"), kind="counts", full_scale=65_535)
    with pytest.raises(error, match=message):
        extractor.check(np.full((512, 512), 7, np.uint16))


def test_what_is_no_extractor_is_refused(tmp_path: Path):
    (tmp_path / "e.pt").write_bytes(b"no archive")
    with pytest.raises(ModelFormatError, match=r"e\.pt is not a TorchScript model"):
        load_extractor(tmp_path / "e.pt", kind="counts", full_scale=65_535)
    with pytest.raises(UsageError, match="there is no"):
        kind_of(BagPlan(tmp_path / "none.pt"))
    with pytest.raises(UsageError, match="--input and --input-px are for a TorchScript file"):
        kind_of(BagPlan(tmp_path, input="counts"))
    with pytest.raises(UsageError, match="--seed is that of the evaluation"):
        kind_of(BagPlan(tmp_path, seed=1))


def test_bags_on_an_extractors_features_from_file_to_figures(tmp_path: Path):
    data, tiles = texture_set(animals_per_class=2, images=2)
    path = saved(Edges(), tmp_path / "edges.pt")
    analysis, origin = evaluate_bags(data, tiles, BagPlan(path, folds=2, starts=1), tmp_path, ignore_progress)
    assert (origin.kind, origin.file, origin.input) == ("extractor", "edges.pt", "raw counts, one channel")
    assert np.load(tmp_path / "features.npy").shape == (len(tiles), 1)
    section = analysis.of("mean-logit", "by_animal").levels["section"]
    assert (section.n, section.auc.value) == (4, 1.0)


def test_a_command_that_fails_leaves_nothing_and_can_be_given_again(tmp_path: Path):
    table = small_set(tmp_path)
    for how in ("nan", "late"):
        path = saved(Flawed(how), tmp_path / f"{how}.pt")
        done = cli("evaluate-bags", table, "--features", path, "--folds", "2", "--out", tmp_path / "b")
        assert done.code == ModelError.exit_code, done.err
        assert not (tmp_path / "b").exists()


def test_features_are_kept_tile_by_tile(tmp_path: Path):
    _, tiles = texture_set(animals_per_class=2, images=1)
    extractor = load_extractor(saved(Means(), tmp_path / "e.pt"), kind="counts", full_scale=65_535)
    source = extracted(tiles, extractor, "means", 1, tmp_path / "f.npy", ignore_progress)
    split = splits_of(tiles)[0]
    [features] = source.starts_of(split)
    row = int(split.test_rows(tiles)[0])
    np.testing.assert_array_equal(features.test[0], extractor.features(tiles.reader.read([row])[0]))
