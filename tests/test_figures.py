"""The figures of an evaluation: all are written, show what they must, and are the same every time."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_curve

from hcc_scope.errors import ModelFormatError, StoreUnwritableError
from hcc_scope.evaluation.aggregation import scored
from hcc_scope.evaluation.analysis import analyse
from hcc_scope.evaluation.figures import draw, draw_all, explain, style
from hcc_scope.evaluation.figures.embedding import TooFewPointsError, embed
from hcc_scope.evaluation.figures.gather import spread_over, typical_and_wrong
from hcc_scope.evaluation.figures.roc import draw_roc, roc_points
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.training.metrics import roc_auc
from hcc_scope.training.network import Meng2019
from tests.figure_parts import fake_result

if TYPE_CHECKING:
    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.evaluation.results import EvaluationResult
    from hcc_scope.progress import Progress

NAMES = (
    "roc", "leakage", "animals", "histograms", "reliability", "net-benefit", "learning", "tsne-paper", "tsne-by-animal",
    "saliency", "saliency-check",
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("fold") / "weights.safetensors"
    save_file(Meng2019().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def result(weights: Path) -> EvaluationResult:
    return fake_result(weights)


@pytest.fixture(scope="module")
def analysis(result: EvaluationResult) -> Analysis:
    return analyse(result)


@pytest.fixture(scope="module")
def drawn(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Progress]]:
    """All figures once, with one explained tile per class."""
    folder = tmp_path_factory.mktemp("figures") / "new"
    progress: list[Progress] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explain, "typical_and_wrong", lambda *args: typical_and_wrong(*args)[:1])
        coarse = tuple((kind, 40 if kind == "png" else dpi) for kind, dpi in style._KINDS)
        patch.setattr(style, "_KINDS", coarse)
        paths = draw_all(analysis, folder, on_progress=progress.append)
    assert [path.name for path in paths] == [f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")]
    return folder, progress


def words(path: Path) -> str:
    """All text of an SVG, in one line."""
    texts = ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")
    return " ".join(" ".join(text.itertext()) for text in texts)


def test_every_figure_is_written_and_carries_the_notices(drawn: tuple[Path, list[Progress]]):
    folder, progress = drawn
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{n}.{k}" for n in NAMES for k in ("png", "svg"))
    for name in NAMES:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        text = words(folder / f"{name}.svg")
        assert f"{RESEARCH_USE_ONLY} Phantom: synthetic images, no tissue." in text
        assert re.search(r"n = \d|mean of \d|\d tiles", text), f"{name} does not show how many"
        assert "could not be drawn" not in text
        assert not re.search(r"\bnan\b", text)
        assert (folder / f"{name}.svg").stat().st_size < 2_500_000
    assert [one.done for one in progress] == list(range(len(NAMES) + 1))
    assert {one.total for one in progress} == {len(NAMES)}


def test_the_figures_show_the_results(drawn: tuple[Path, list[Progress]], result: EvaluationResult):
    folder, _ = drawn
    by_level = scored(result.of("paper"), result.tiles, result.temperature)
    area = roc_auc(by_level["tile"].ranks, by_level["tile"].labels)
    assert f"{area:.2f}" in words(folder / "leakage.svg")
    assert "difference " in words(folder / "leakage.svg")
    first = result.of("by_animal")[0]
    odds = (first.logits[:, 1] - first.logits[:, 0]).astype(np.float64)
    assert f"fold 1: AUC {roc_auc(odds, first.labels):.2f}" in words(folder / "roc.svg")
    assert "threshold 0.47" in words(folder / "animals.svg")
    assert "T = 1.600" in words(folder / "reliability.svg")
    assert "The maps depend" in words(folder / "saliency-check.svg")
    assert "median of the correct tiles" in words(folder / "saliency.svg")
    for what in ("low", "L1", "2026-03-03"):
        assert what in words(folder / "tsne-paper.svg")


def test_the_same_numbers_give_the_same_bytes_and_a_failure_is_a_sentence(
    drawn: tuple[Path, list[Progress]],
    analysis: Analysis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    def gone(*_: object, **__: object) -> NoReturn:
        raise ModelFormatError("folds/3/weights.safetensors is gone")

    monkeypatch.setattr(draw, "explain", gone)
    monkeypatch.setattr(style, "_KINDS", style._KINDS[1:])  # SVG: what is drawn, to the last digit
    progress: list[Progress] = []
    before = dict(mpl.rcParams)
    # a user's own settings change nothing
    with mpl.rc_context({"font.size": 30.0, "axes.grid": True, "text.usetex": False, "svg.hashsalt": "other"}):
        draw_all(analysis, tmp_path, on_progress=progress.append)
    assert dict(mpl.rcParams) == before
    for name in NAMES[:-2]:
        assert (tmp_path / f"{name}.svg").read_bytes() == (drawn[0] / f"{name}.svg").read_bytes(), name
    for name in NAMES[-2:]:
        text = words(tmp_path / f"{name}.svg")
        assert "could not be drawn" in text
        assert "weights.safetensors is gone" in text
        assert RESEARCH_USE_ONLY in text
    assert sum("could not be drawn" in one.message for one in progress) == 2


def test_one_animal_per_class_and_hardly_any_tiles(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    little = fake_result(weights, animals_per_class=2, alone=True, sections=1, images=2, tiles=1, folds=2)
    real = replace(little, data=replace(little.data, synthetic=None))
    monkeypatch.setattr(draw, "explain", lambda *_, **__: explain.Explanation((), (), "Not checked."))
    monkeypatch.setattr(style, "_KINDS", style._KINDS[1:])
    progress: list[Progress] = []
    draw_all(analyse(real), tmp_path, on_progress=progress.append)
    assert not [one.message for one in progress if "could not be drawn" in one.message]
    assert "each fold has one class" in words(tmp_path / "roc.svg")
    assert "Too few tiles for" in words(tmp_path / "tsne-by-animal.svg")
    assert "No tiles to explain" in words(tmp_path / "saliency.svg")
    assert "Phantom" not in words(tmp_path / "roc.svg")


def test_one_class_alone_has_no_curve(result: EvaluationResult):
    low = [scored([fold], result.tiles, 1.0)["animal"] for fold in result.of("by_animal")]
    low = [values.part(values.labels == 0) for values in low]
    with style.house():
        figure = draw_roc({"animal": {"by_animal": low}}, synthetic=True)
    assert "one class" in figure.axes[0].texts[0].get_text()


def test_more_folds_than_colours(weights: Path):
    many = fake_result(weights, animals_per_class=8, sections=1, images=2, tiles=2, folds=7)
    drawer = draw._Drawer(analyse(many), smooth=0, seed=0)
    legend = drawer.roc().axes[0].get_legend()
    assert re.match(r"\d folds: AUC 0\.\d\d to", legend.get_texts()[0].get_text())
    figure = drawer.tsne("by_animal")
    assert "The first 6 of 8 folds" in figure.texts[-1].get_text()
    assert len(figure.axes) == 3 * 6
    names = figure.axes[11].get_legend().get_texts()
    assert names[-1].get_text() == "... of 12 animals"


def test_ctrl_c_ends_it_and_a_folder_that_cannot_be_written_is_reported(
    analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnwritableError, match="cannot be written"):
        draw_all(analysis, tmp_path / "file" / "figures", on_progress=lambda _: None)

    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(draw, "draw_roc", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw_all(analysis, tmp_path / "figures", on_progress=lambda _: None)
    assert not (tmp_path / "figures").exists()


def test_the_curve_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    ranks = rng.integers(0, 30, 200).astype(np.float64)  # many ties
    labels = (rng.random(200) < ranks / 30).astype(np.int64)
    false, true = roc_points(ranks, labels)
    expected = roc_curve(labels, ranks, drop_intermediate=False)
    assert np.allclose(false, expected[0])
    assert np.allclose(true, expected[1])
    assert np.trapezoid(true, false) == pytest.approx(roc_auc(ranks, labels))


def test_tiles_are_drawn_evenly_over_animals():
    groups = ["a"] * 100 + ["b"] * 2 + ["c"] * 50
    chosen = spread_over(groups, 22, seed=1)
    assert np.array_equal(chosen, np.unique(chosen))
    assert [sum(groups[i] == name for i in chosen) for name in "abc"] == [10, 2, 10]
    assert np.array_equal(chosen, spread_over(groups, 22, seed=1))
    assert np.array_equal(spread_over(groups, 1000, seed=1), np.arange(152))
    assert len(spread_over([], 5, seed=1)) == 0


def test_tiles_to_explain_are_chosen_by_rule():
    scores = np.array([0.1, 0.3, 0.2, 0.9, 0.6, 0.8, 0.95])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    assert typical_and_wrong(scores, labels, 0) == [(2, "median of the correct tiles"), (3, "most wrong tile")]
    assert typical_and_wrong(scores, labels, 1)[1] == (4, "least certain tile (none is wrong)")
    assert typical_and_wrong(scores[:1], labels[:1], 0) == [(0, "median of the correct tiles")]
    assert typical_and_wrong(scores[:1], labels[:1], 1) == []


def test_embedding_keeps_neighbours_and_is_repeatable():
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1, 2], 20)
    features = (rng.normal(size=(60, 40)) + 8.0 * np.eye(3, 40)[group]).astype(np.float32)
    places = embed(features, seed=3)
    assert (places.shape, np.isfinite(places).all()) == ((60, 2), True)
    assert np.array_equal(places, embed(features, seed=3))
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.diag(np.full(60, np.inf))
    assert (group[distance.argmin(axis=1)] == group).all()


@pytest.mark.parametrize("shape", [(5, 3), (6, 1), (40, 2)])
def test_embedding_of_little(shape: tuple[int, int]):
    assert np.isfinite(embed(np.random.default_rng(1).normal(size=shape).astype(np.float32), seed=0)).all()


def test_embedding_of_nothing_states_the_reason():
    with pytest.raises(TooFewPointsError, match="Too few tiles"):
        embed(np.zeros((4, 8), np.float32), seed=0)
    with pytest.raises(TooFewPointsError, match="same features"):
        embed(np.full((40, 8), 7.3, np.float32), seed=0)


def test_names_sort_as_people_count():
    assert sorted(["m10", "m2", "a", "7"], key=style.natural) == ["7", "a", "m2", "m10"]


def test_the_notice_is_that_of_the_reports():
    assert style.RESEARCH_USE_ONLY == RESEARCH_USE_ONLY


def test_importing_the_package_imports_no_heavy_library():
    code = (
        "import sys, hcc_scope.evaluation.figures\n"
        "assert not {'matplotlib', 'sklearn', 'torch', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
