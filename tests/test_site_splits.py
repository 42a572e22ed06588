"""Leave one site out: which sites can be, what is on each side, and what it finds that folds by animal do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.atomic_file import json_bytes
from hcc_scope.cli.evaluate import EvaluateOptions, run_evaluate
from hcc_scope.datasets.tiles import ArrayTiles
from hcc_scope.errors import DatasetError, LeakError, ResumeError
from hcc_scope.evaluation.analysis import analyse
from hcc_scope.evaluation.conclusions import describe_left_out, describe_sites
from hcc_scope.evaluation.finished import finished_evaluation
from hcc_scope.evaluation.plan import make_plan
from hcc_scope.evaluation.record import evaluation_json, evaluation_record
from hcc_scope.evaluation.report import report_markdown
from hcc_scope.evaluation.run import evaluate
from hcc_scope.evaluation.site_splits import require_sites, site_splits
from hcc_scope.evaluation.tables import table_1
from hcc_scope.training.config import TrainConfig
from tests.dataset_parts import HEADER, small_set, write_lines
from tests.evaluation_parts import quick_start
from tests.labelled_image_parts import texture_set

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledImage, LabelledSet
    from hcc_scope.datasets.tiles import TileTable

CONFIG = TrainConfig(epochs=1)


def sample(site_of: Callable[[LabelledImage], str | None]) -> tuple[LabelledSet, TileTable]:
    """Four animals per class, of one mean and different grain, whose rule in one site is wrong in the other.

    Grain 100 is *high* in the west, 200 *low* and 600 *high* in the east, 700 *low* in the west.
    """
    data, table = texture_set(animals_per_class=4)
    images = tuple(replace(image, site=site_of(image), colour="od") for image in data.images)
    rng = np.random.default_rng(3)
    pixels = []
    for image in images:
        grain = (700, 100)[image.label] if image.site == "west" else (200, 600)[image.label]
        amplitude = grain + rng.integers(-30, 31, (8, 4))
        pixels.append(20_000 + np.stack([amplitude, -amplitude], axis=2).reshape(8, 8))
    tiles = replace(table, images=images, reader=ArrayTiles(np.stack(pixels).astype(np.uint16)), tile_px=8)
    return replace(data, images=images), tiles


def east_or_west(image: LabelledImage) -> str:
    return "west" if int(image.animal_id[-1]) % 2 else "east"


def test_a_model_that_a_site_fools_is_found_out(tmp_path: Path):
    data, tiles = sample(east_or_west)
    options = {"folds": 4, "starts": 1, "on_progress": lambda _: None, "work": quick_start}
    result = evaluate(data, tiles, CONFIG, tmp_path / "e", leave_one_site_out=True, **options)
    assert {path.name for path in (tmp_path / "e" / "folds").iterdir()} >= {"by_site-1", "by_site-2"}
    analysis = analyse(result)
    aucs = {name: protocol.fold_aucs("image") for name, protocol in analysis.protocols.items()}
    assert set(aucs["by_animal"]) == {1.0}
    assert set(aucs["by_site"]) == {0.0}
    assert [fold.site for fold in analysis.protocols["by_site"].folds] == ["east", "west"]
    words = describe_sites(analysis)
    assert words is not None
    assert words.startswith("Leave one site out: AUC of images 0.0")
    assert "east 0.0" in words
    assert "folds by site: 0 of 16" in describe_left_out(analysis)
    table = table_1(analysis)
    assert {"paper's protocol", "by animal", "by site"} <= {group for group, _ in table.columns}
    assert {len(row) for row in table.rows} == {1 + len(table.columns)}
    report = report_markdown(analysis, "c", ())
    assert "## Leave one site out" in report
    assert "(site east)" in report
    assert "Colour images, converted by od (the light that the mean optical density" in report
    content = evaluation_json(analysis, "c")
    assert content["protocols"]["by_site"]["folds"][1]["site"] == "west"
    assert {row["site"] for row in content["images"]} == {"east", "west"}
    assert all({"paper", "by_animal", "by_site"} <= row.keys() for row in content["images"])
    (tmp_path / "e" / "evaluation.json").write_bytes(json_bytes(content))
    again = finished_evaluation(tmp_path / "e", data, tiles)
    assert {fold.split.protocol for fold in again.folds} == {"paper", "by_animal"}
    with pytest.raises(ResumeError, match="is of other images than"):
        finished_evaluation(tmp_path / "e", replace(data, fingerprint="0" * 64), tiles)
    record = evaluation_record(analysis, "c")
    assert [protocol.protocol for protocol in record.protocols] == ["paper", "by_animal", "by_site"]


def test_no_animal_and_no_site_is_on_both_sides_and_a_site_of_one_class_is_tested_without_an_auc():
    _, tiles = sample(lambda image: "north" if image.animal_id == "low-1" else east_or_west(image))
    splits = site_splits(tiles)
    assert [tiles.images[int(split.test[0])].site for split in splits] == ["east", "north", "west"]
    for split in splits:
        both = [{tiles.images[i].site for i in part} for part in (split.train, split.test)]
        assert not both[0] & both[1]
        animals = [{tiles.images[i].animal_id for i in part} for part in (split.train, split.test)]
        assert not animals[0] & animals[1]
        assert len(split.train) + len(split.test) == len(tiles.images)
    plain, more = (
        make_plan(sample(east_or_west)[0], tiles, CONFIG, folds=2, starts=1, leave_one_site_out=sites).splits
        for sites in (False, True)
    )
    assert len(more) == len(plain) + 3


def test_a_copy_in_another_site_is_refused():
    _, tiles = sample(east_or_west)
    with pytest.raises(LeakError, match="hold the same pixels"):
        site_splits(replace(tiles, digests=("0" * 64, *tiles.digests[1:6], "0" * 64, *tiles.digests[7:])))


REFUSED: dict[str, tuple[Callable[[LabelledImage], str | None], str]] = {
    "no site": (lambda _: None, "the manifest states no site"),
    "one site": (lambda _: "here", "the manifest states one site alone, here"),
    "a site for each class": (lambda image: image.tumour_class, "without high or low one class alone is left"),
    "an animal of two sites": (lambda image: image.path.stem[-1], r"from several sites \(high-1, .* and 3 more\)"),
}


@pytest.mark.parametrize(("site_of", "words"), REFUSED.values(), ids=REFUSED)
def test_sites_that_cannot_be_left_out_are_refused(site_of: Callable[[LabelledImage], str | None], words: str):
    data, _ = sample(site_of)
    with pytest.raises(DatasetError, match=words):
        require_sites(data.images)


def test_the_command_refuses_before_a_tile_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def cut(*_arguments: object) -> None:
        raise AssertionError("tiles are cut for sites that cannot be left out")

    monkeypatch.setattr("hcc_scope.datasets.cache.cut_tiles", cut)
    path = small_set(tmp_path)
    rows = [f"{line},{line.split(',')[1]}" for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    values = dict.fromkeys(EvaluateOptions.__dataclass_fields__)
    values |= {"manifest": write_lines(path, rows, f"{HEADER},site"), "out": tmp_path / "e", "config": CONFIG}
    with pytest.raises(DatasetError, match="without high or low one class alone is left to train on"):
        run_evaluate(EvaluateOptions(**values | {"leave_one_site_out": True, "json_mode": True}))
    assert not (tmp_path / "e").exists()
