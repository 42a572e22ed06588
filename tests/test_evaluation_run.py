"""Evaluations from end to end: folds in processes, resumption, errors, tables, the record and what is written."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import (
    DatasetError,
    DivergedError,
    HccScopeError,
    LeakError,
    ResumeError,
    StoreExistsError,
    TrainingError,
)
from hcc_scope.evaluation import labellings, published
from hcc_scope.evaluation import run as evaluation_run
from hcc_scope.evaluation.aggregation import scored
from hcc_scope.evaluation.analysis import analyse
from hcc_scope.evaluation.calibration import calibrate_folds
from hcc_scope.evaluation.conclusions import (
    calibrated_on,
    describe_calibration,
    describe_gap,
    describe_left_out,
    describe_restarted,
    describe_silent,
)
from hcc_scope.evaluation.permutations import permute
from hcc_scope.evaluation.plan import make_plan
from hcc_scope.evaluation.record import evaluation_record, load_calibration, write_evaluation
from hcc_scope.evaluation.report import report_markdown
from hcc_scope.evaluation.run import _explained, _StartProgress, evaluate
from hcc_scope.evaluation.splits import protocol_splits
from hcc_scope.evaluation.start_task import start_tasks
from hcc_scope.evaluation.tables import table_1
from hcc_scope.evaluation.worker_record import WORKERS_FILE, record_worker
from hcc_scope.executors.dask import DaskExecutor
from hcc_scope.executors.local import LocalExecutor
from hcc_scope.executors.tasks import TaskFailure
from hcc_scope.executors.this_process import ThisProcess
from hcc_scope.executors.versions import versions_here
from hcc_scope.progress import Progress
from hcc_scope.research_use import RESEARCH_USE_ONLY
from hcc_scope.scoring import calibrate, log_odds
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.metrics import fit_temperature
from hcc_scope.training.recipes import RECIPES
from tests.evaluation_parts import OnOneMachine, breaks_by_animal, quick_start
from tests.labelled_image_parts import texture_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.datasets.labelled_image import LabelledSet
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.analysis import Analysis
    from hcc_scope.evaluation.results import EvaluationResult, FoldResult

CONFIG = TrainConfig(epochs=1)


def each_start(fold: FoldResult, **changes: object) -> FoldResult:
    """Change all starts of a fold."""
    return replace(fold, starts=tuple(replace(start, **changes) for start in fold.starts))


def quiet(_now: Progress) -> None:
    pass


def small(
    animals: int = 3, images: int = 4, *, day_effect: float = 0.0, class_effect: float = 0.0, animal_effect: float = 0.0
) -> tuple[LabelledSet, TileTable]:
    """Two tiles of 8 x 8 per image; the first day of two is brighter, classes and animals differ in grain."""
    data, _ = texture_set(1, 1, 1, 1)
    base = data.images[0]
    rng = np.random.default_rng(7)
    listed, pixels = [], []
    for label, name in enumerate(("low", "high")):
        for animal in range(animals):
            brightness, grain = rng.normal(0, animal_effect, 2)
            for i in range(images):
                listed.append(
                    replace(
                        base,
                        tumour_class=name,
                        animal_id=f"{name}-{animal}",
                        section_id=f"s{i % 2}",
                        day=f"d{i % 2}",
                        index=i,
                    )
                )
                level = 20_000 + 1000 * (day_effect * (i % 2) + brightness)
                width = 1000 * np.exp(grain + class_effect * label)
                pixels += [rng.normal(level, width, (8, 8)).clip(0, 65535) for _ in range(2)]
    from hcc_scope.datasets.tiles import ArrayTiles, TileTable

    n = len(listed)
    table = TileTable(
        tuple(listed),
        np.repeat(np.arange(n), 2),
        np.tile([0, 1], n),
        ArrayTiles(np.array(pixels, dtype=np.uint16)),
        8,
        tuple(f"{i:064x}" for i in range(n)),
    )
    return replace(data, images=tuple(listed)), table


def run(folder: Path, sample: tuple[LabelledSet, TileTable], **options: object) -> EvaluationResult:
    settings = {"folds": 4, "starts": 1, "on_progress": quiet, "work": quick_start} | options
    return evaluate(*sample, CONFIG, folder, **settings)


@pytest.fixture(autouse=True, scope="module")
def few_labellings() -> Iterator[None]:
    """Classes that mean nothing are tried less often than by default, which takes long."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(labellings, "RANDOM", 200)
        patched.setattr("hcc_scope.evaluation.analysis.permute", partial(permute, dealings=20))
        yield


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    """An evaluation of classes that differ."""
    return run(tmp_path_factory.mktemp("learnt") / "e", small(class_effect=0.2))


@pytest.fixture(scope="module")
def analysed(learnt: EvaluationResult) -> Analysis:
    return analyse(learnt)


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    """An evaluation of classes that differ, and of animals that do."""
    return run(tmp_path_factory.mktemp("varied") / "e", small(class_effect=0.2, animal_effect=0.5))


def test_the_same_scores_as_the_live_pipeline_makes_of_the_same_logits(learnt: EvaluationResult) -> None:
    result = learnt
    found = scored(result.of("paper"), result.tiles, 1.7)
    probability = {}
    for fold in result.of("paper"):
        probability |= dict(zip(fold.rows.tolist(), calibrate(log_odds(fold.logits), 1.7).tolist(), strict=True))
    by_hand: dict[str, dict[str, list[float]]] = {}
    for index, image in enumerate(result.tiles.images):
        tiles = [probability[row] for row in result.tiles.rows_of([index]).tolist()]
        by_hand.setdefault(image.animal_id, {}).setdefault(image.section_id, []).append(math.fsum(tiles) / len(tiles))
    for (animal,), score in zip(found["animal"].names, found["animal"].scores, strict=True):
        sections = [np.mean(images) for images in by_hand[str(animal)].values()]
        assert score == pytest.approx(np.mean(sections), abs=1e-12)
    assert (found["section"].folds == -1).any()
    assert (found["image"].folds >= 0).all()
    assert [len(found[level]) for level in ("tile", "image", "section", "animal")] == [48, 24, 12, 6]


def test_animals_that_differ_leak_and_animals_that_do_not_do_not(tmp_path: Path) -> None:
    leaking = analyse(run(tmp_path / "a", small(12, 4, animal_effect=2.0)))
    assert leaking.gap.value > 0.1
    assert leaking.permutations["histogram"].null_gap > 0.1  # animals are recognised, whatever their class
    clean = analyse(run(tmp_path / "b", small(5, 8, class_effect=0.3)))
    assert clean.gap.interval.low <= 0 <= clean.gap.interval.high
    assert clean.protocols["by_animal"].pooled["image"].auc.value > 0.9
    for found in (leaking, clean):
        assert not found.permutations["texture"].leaks


def test_the_headline_states_what_shows_a_leak_and_takes_no_gap_for_one(analysed: Analysis) -> None:
    found = analysed

    def headline(gap: tuple[float, float, float], **null: object) -> str:
        """With a gap of the network, and what texture finds with classes that mean nothing."""
        network = found.corrected["network"]
        value, low, high = gap
        estimate = replace(found.gap, value=value, interval=replace(found.gap.interval, low=low, high=high))
        texture = replace(found.permutations["texture"], testable=True, **null)
        return describe_gap(
            replace(
                found,
                corrected=found.corrected | {"network": replace(network, gap=estimate, null_mean=0.38)},
                permutations=found.permutations | {"texture": texture},
            )
        )

    leaky = headline((-0.2, -0.3, -0.1), null_paper=0.88, null_by_animal=0.5, p_value=0.21)
    assert "the paper's protocol gives 0.88 on these images, and folds by animal give 0.50" in leaky
    assert "is no evidence of a class, for images of one animal are on both sides" in leaky
    assert "p = 0.21" in leaky
    assert "and not that nothing leaks" in leaky
    assert "too good as well" not in leaky
    clean = headline((0.2, 0.1, 0.3), null_paper=0.51, null_by_animal=0.5)
    assert "texture gains nothing from images of one animal on both sides" in clean
    assert "more than texture gains with such classes" in clean
    assert "too good as well" in headline((0.0, -0.1, 0.1), null_paper=0.9, null_by_animal=0.7)
    assert "eakage gap" not in leaky + clean
    untestable = replace(
        found, permutations=found.permutations | {"texture": replace(found.permutations["texture"], testable=False)}
    )
    assert "no labelling of these animals differs from the true one" in describe_gap(untestable)


def test_a_network_that_learnt_nothing_is_reported(tmp_path: Path, learnt: EvaluationResult) -> None:
    (tmp_path / "e").mkdir()
    result = learnt
    assert describe_silent(analyse(result)) is None

    def silenced(fold: FoldResult) -> FoldResult:
        gone = fold.split.fold in (0, 2)
        return each_start(fold, silent=True) if gone else fold

    result = replace(result, folds=tuple(silenced(fold) for fold in result.folds))
    found = analyse(result)
    assert found.silent == {"paper": (0, 2), "by_animal": (0, 2)}
    words = describe_silent(found)
    assert words is not None
    assert "folds by image: 1, 3 of 3; folds by animal: 1, 3 of 3" in words
    write_evaluation(found, tmp_path / "e", "x")
    assert f"**{words}**" in (tmp_path / "e" / "report.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "e" / "evaluation.json").read_text())["silent"] == {
        "paper": [0, 2],
        "by_animal": [0, 2],
    }


def by_animal_like(result: EvaluationResult, change: Callable[[FoldResult], FoldResult]) -> EvaluationResult:
    """Change the folds by animal, and choose temperature and threshold anew."""
    folds = tuple(change(fold) if fold.split.protocol == "by_animal" else fold for fold in result.folds)
    temperature, threshold = calibrate_folds([f for f in folds if f.split.protocol == "by_animal"], result.tiles)
    return replace(result, folds=folds, temperature=temperature, threshold=threshold)


def test_nothing_is_chosen_on_a_network_that_learnt_nothing(varied: EvaluationResult) -> None:
    result = varied

    def dead(fold: FoldResult) -> FoldResult:
        """Answer all but one half to everything, as the network did that set a threshold once."""
        return each_start(fold, silent=True, attempts=3, logits=np.zeros_like(fold.logits) - [0.005, 0.0])

    one = by_animal_like(result, lambda fold: dead(fold) if fold.split.fold == 1 else fold)
    others = [fold for fold in result.of("by_animal") if fold.split.fold != 1]
    assert (one.temperature, one.threshold) == calibrate_folds(others, result.tiles)
    found = analyse(one)
    assert found.calibration.folds == 2
    assert (found.calibration.tiles, found.protocols["by_animal"].pooled["tile"].n) == (
        32,
        48,
    )  # shown, and not chosen on
    assert found.animals[1].score == pytest.approx(0.5, abs=0.01)
    assert "2 of 3 folds by animal, 4 animals" in describe_calibration(found)[0]
    assert "Networks that have learnt nothing are in it (folds by animal: 2 of 3)" in describe_gap(found)
    record = evaluation_record(found, "x")
    assert "folds by animal: 2 of 3" in str(record.silent)
    every = analyse(by_animal_like(result, dead))
    assert calibrate_folds(by_animal_like(result, dead).of("by_animal"), result.tiles) == (1.0, 0.5)
    assert every.calibration.folds == 0
    assert "conventions" in calibrated_on(every)
    assert every.nested is None


def test_tiles_that_are_unlike_the_training_count_as_little_as_in_use(varied: EvaluationResult) -> None:
    result = varied
    strange = {0, 1, 2, 3, 8}  # both tiles of each image of one section's two, and one of another's

    def measured(fold: FoldResult) -> FoldResult:
        far = np.isin(fold.rows, sorted(strange)) & (fold.split.protocol == "by_animal")
        odd = fold.logits.copy()
        odd[far] = [[-50, 50]]
        return each_start(fold, distances=np.where(far, 9.0, 1.0).astype(np.float32), ood_threshold=2.0, logits=odd)

    plain, left_out = by_animal_like(result, lambda fold: fold), by_animal_like(result, measured)
    rows = sorted(set(range(len(result.tiles))) - strange)
    at = scored(left_out.of("by_animal"), result.tiles, left_out.temperature)
    assert [name[0] for name in at["tile"].names] == rows
    found = analyse(left_out).protocols["by_animal"]
    assert (found.unlike_tiles, found.test_tiles, found.pooled["tile"].n, found.pooled["tile_all"].n) == (5, 48, 43, 48)
    # the images of the two strange pairs are gone, the one with a tile left is scored by that one
    assert found.pooled["image"].n == analyse(plain).protocols["by_animal"].pooled["image"].n - 2
    kept = int(np.flatnonzero(np.array([name == (4,) for name in at["image"].names]))[0])
    row = int(np.flatnonzero(np.array([name == (9,) for name in at["tile"].names]))[0])
    assert at["image"].scores[kept] == at["tile"].scores[row]
    kept_rows = np.concatenate([fold.labels[fold.counted] for fold in left_out.of("by_animal")])
    odds = np.concatenate([log_odds(fold.logits[fold.counted]) for fold in left_out.of("by_animal")])
    assert left_out.temperature == fit_temperature(odds, kept_rows)
    assert "folds by image: 0 of 48; folds by animal: 5 of 48" in describe_left_out(analyse(left_out))
    without = by_animal_like(result, lambda fold: each_start(fold, why_no_distance="Too few tiles. Give more images."))
    assert describe_left_out(analyse(without)).endswith(" count all: Too few tiles. Give more images.")
    record = evaluation_record(analyse(left_out), "x")
    assert record.protocols[1].all_tiles is not None
    assert (record.protocols[1].all_tiles.n, record.protocols[1].levels[0].n) == (48, 43)


def test_a_section_without_another_tile_has_no_score_and_is_named(learnt: EvaluationResult) -> None:
    result = learnt
    section = result.tiles.images[0].section
    images = [i for i, image in enumerate(result.tiles.images) if image.section == section]

    def measured(fold: FoldResult) -> FoldResult:
        far = np.isin(result.tiles.image_index[fold.rows], images)
        return each_start(fold, distances=np.where(far, 9.0, 1.0).astype(np.float32), ood_threshold=2.0)

    found = analyse(by_animal_like(result, measured))
    assert found.protocols["by_animal"].unscored == (section,)
    assert f"section {section[1]} of {section[0]}" in describe_left_out(found)
    assert found.protocols["by_animal"].pooled["section"].n == 11


def test_restarts_are_reported(tmp_path: Path, learnt: EvaluationResult) -> None:
    (tmp_path / "e").mkdir()
    result = by_animal_like(
        learnt,
        lambda fold: each_start(fold, attempts=2 if fold.split.fold else 1),
    )
    found = analyse(result)
    assert describe_silent(found) is None
    assert "folds by animal: 2, 3 of 3" in str(describe_restarted(found))
    write_evaluation(found, tmp_path / "e", "x")
    assert str(describe_restarted(found)) in (tmp_path / "e" / "report.md").read_text(encoding="utf-8")
    assert load_calibration(tmp_path / "e").evaluation.restarted == describe_restarted(found)


def test_everything_is_written_and_read_back(tmp_path: Path, learnt: EvaluationResult, analysed: Analysis) -> None:
    (tmp_path / "e").mkdir()
    result = learnt
    found = analysed
    content = write_evaluation(found, tmp_path / "e", "hcc-scope evaluate x.csv", [tmp_path / "e/figures/roc.png"])
    assert json.loads((tmp_path / "e/evaluation.json").read_text(encoding="utf-8")) == json.loads(json.dumps(content))
    report = (tmp_path / "e/report.md").read_text(encoding="utf-8")
    parts = ("AUC of images by animal", "By the paper's protocol", "classes of the animals that mean nothing", "p = ",
             "Difference of the protocols", "Table 1")  # fmt: skip
    assert sorted(parts, key=report.index) == list(parts)
    assert "](figures/roc.png)" in report
    for text in (report, (tmp_path / "e/table1.md").read_text(encoding="utf-8")):
        assert RESEARCH_USE_ONLY in text
        assert result.data.synthetic in text
    taken = load_calibration(tmp_path / "e")
    assert (taken.temperature, taken.threshold) == (result.temperature, result.threshold)
    assert (taken.network, taken.recipe, taken.config["epochs"]) == ("meng2019", "modern", 1)
    assert taken.evaluation == evaluation_record(found, "hcc-scope evaluate x.csv")
    assert {p.protocol for p in taken.evaluation.protocols} == {"paper", "by_animal"}
    assert len(content["images"]) == 24
    assert {"paper", "by_animal"} <= set(content["images"][0])
    with pytest.raises(TrainingError, match="no finished evaluation"):
        load_calibration(tmp_path)


def test_tables_and_drawings_compute_no_score_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, analysed: Analysis
) -> None:
    (tmp_path / "e").mkdir()
    from hcc_scope.evaluation import aggregation, auc, metrics
    from hcc_scope.evaluation.figures.draw import _Drawer

    found = analysed

    def again(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(aggregation, "log_odds", again)
    monkeypatch.setattr(auc, "score_interval", again)
    monkeypatch.setattr(metrics, "score_interval", again)
    content = write_evaluation(found, tmp_path / "e", "x")
    drawer = _Drawer(found, smooth=0, seed=0)
    for figure in (drawer.roc(), drawer.leakage(), drawer.animals(), drawer.histograms()):
        assert figure.axes
    by_animal = content["protocols"]["by_animal"]["pooled"]["tile"]
    assert f"ECE {by_animal['ece']:.3f}" in drawer.reliability().axes[1].get_title()
    assert content["leakage_gap"]["value"] == found.gaps["image"].value


def test_table_1_has_the_papers_numbers_beside_both_protocols(analysed: Analysis) -> None:
    found = analysed
    table = table_1(found)
    assert table.rows[0][:5] == ("fold 1", "0.80", "0.83", "0.82", "0.89")
    assert table.rows[5][:5] == ("mean", "0.84", "0.86", "0.85", "0.90")
    assert set(table.rows[4][5:]) == {""}  # three folds here, five there
    means = [p.pooled["tile_all"].auc.value for p in found.protocols.values()]
    assert (table.rows[5][8], table.rows[5][12]) == tuple(f"{mean:.2f}" for mean in means)
    for values, mean in zip(
        (published.SPECIFICITY, published.SENSITIVITY, published.ACCURACY), published.MEANS, strict=False
    ):
        assert np.mean(values) == pytest.approx(mean, abs=0.005)


def files_written(result: EvaluationResult, folder: Path) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    write_evaluation(analyse(result), folder, "hcc-scope evaluate")
    return {name: (folder / name).read_bytes() for name in ("evaluation.json", "report.md", "table1.md")}


@pytest.mark.parametrize("where", ["two processes", "a cluster"])
def test_the_files_do_not_depend_on_where_networks_are_trained(
    where: str, tmp_path: Path, varied: EvaluationResult, request: pytest.FixtureRequest
) -> None:
    cluster = where == "a cluster"
    heard: list[Progress] = []
    with (
        DaskExecutor(request.getfixturevalue("dask_cluster")) if cluster else LocalExecutor(2, n_threads=1)
    ) as executor:
        sample = small(class_effect=0.2, animal_effect=0.5)
        there = run(tmp_path / "there", sample, executor=executor, on_progress=heard.append)
    assert heard[-1].done == heard[-1].total
    assert files_written(there, tmp_path / "there") == files_written(varied, tmp_path / "here")
    lines = (tmp_path / "there" / WORKERS_FILE).read_text().splitlines() if cluster else []
    assert [json.loads(line)["versions"] == versions_here() for line in lines] == [True] * (len(there.folds) * cluster)


def test_the_worker_of_a_network_is_recorded_before_the_network_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation_run, "keep_files", killed)
    monkeypatch.setattr(ThisProcess, "shares_files", False)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "e", small(class_effect=0.2), work=lambda *_: None)
    record = tmp_path / "e" / WORKERS_FILE
    (line,) = record.read_text().splitlines()
    (worker,) = ThisProcess(1).workers()
    record.write_text(line[:10])  # the system went down meanwhile
    record_worker(tmp_path / "e", json.loads(line)["network"], worker)
    assert [json.loads(one)["worker"] for one in record.read_text().splitlines()[1:]] == ["this process"]


def test_tiles_that_a_worker_cannot_see_are_named(tmp_path: Path, dask_cluster: str) -> None:
    data, tiles = small()
    lost = replace(tiles, reader=OnOneMachine(tiles.reader, tmp_path / "tiles"))
    with DaskExecutor(dask_cluster) as executor, pytest.raises(DatasetError, match="--cache") as caught:
        run(tmp_path / "e", (data, lost), executor=executor)
    assert str(tmp_path / "tiles") in str(caught.value)


def test_a_folds_error_arrives_and_finished_folds_are_reused(tmp_path: Path, learnt: EvaluationResult) -> None:
    sample, folder = small(class_effect=0.2), tmp_path / "e"
    with LocalExecutor(2) as executor, pytest.raises(DivergedError, match="lower learning rate") as caught:
        run(folder, sample, executor=executor, work=breaks_by_animal)
    assert caught.value.exit_code == 61
    starts = [path for path in (folder / "folds").glob("*/*") if path.suffix != ".part"]
    finished = {path.relative_to(folder): path.stat().st_mtime_ns for path in starts}
    assert {Path("folds/by_animal-1/start-1"), Path("folds/paper-3/start-1")} & set(finished)
    assert Path("folds/by_animal-2/start-1") not in finished
    with pytest.raises(StoreExistsError, match="--resume"):
        run(folder, sample)
    heard: list[Progress] = []
    result = run(folder, sample, resume=True, on_progress=heard.append)
    assert heard[0].done > heard[0].total * len(finished) // 20
    assert heard[-1].done == heard[-1].total
    assert all((folder / name).stat().st_mtime_ns == when for name, when in finished.items())
    assert all(np.array_equal(a.logits, b.logits) for a, b in zip(result.folds, learnt.folds, strict=True))


@pytest.mark.parametrize(("animals", "error"), [(("low-0", "low-1"), LeakError), (("low-0", "high-0"), DatasetError)])
def test_a_copy_in_two_animals_or_classes_is_refused_whatever_the_folds_are(
    tmp_path: Path, animals: tuple[str, str], error: type[Exception]
) -> None:
    data, table = small()
    one, other = (next(i for i, image in enumerate(table.images) if image.animal_id == name) for name in animals)
    digests = list(table.digests)
    digests[other] = digests[one]
    for seed in range(8):  # now on two sides of a fold, now on one
        with pytest.raises(error, match="the same pixels"):
            make_plan(data, replace(table, digests=tuple(digests)), replace(CONFIG, seed=seed), folds=4, starts=1)
    make_plan(data, table, CONFIG, folds=4, starts=1)


def test_a_worker_that_died_names_what_to_do() -> None:
    died = HccScopeError("the process that worked on it was killed (signal 9)", hint="If memory ran out, ...")
    error = _explained(TaskFailure("worker died", died))
    assert error.exit_code == 60
    assert str(error).startswith(
        "a network could not be trained: the process that worked on it was killed (signal 9). "
    )
    assert "fewer --workers" in str(error)


def test_the_progress_reports_folds_per_hour() -> None:
    data, tiles = small()
    del data
    tasks = [
        task for split in protocol_splits(tiles, 3, 0)[0] for task in start_tasks(Path("out"), split, CONFIG, starts=2)
    ]
    heard: list[Progress] = []
    now = iter((0.0, 60.0, 1800.0))
    progress = _StartProgress(tasks, tasks, tiles, CONFIG, heard.append, 2, clock=lambda: next(now))
    progress.add(0, Progress("train", 1, 100, "epoch 1"))
    progress.add(0, None)
    assert [one.message for one in heard] == [
        "paper 1, start 1: epoch 1",
        "paper 1, start 1: done (1.0 folds per hour)",
    ]


def test_another_configuration_or_other_data_are_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, tiles = small()
    run(tmp_path / "e", (data, tiles))
    for options, words_ in (
        ({"config": replace(CONFIG, seed=1, epochs=2)}, r"epochs was 1, is 2; seed was 2019, is 1"),
        ({"data": replace(data, fingerprint="0" * 64)}, r"data was f{12}\.\.\., is 0{12}"),
    ):
        given = {"data": data, "tiles": tiles, "config": CONFIG, "folder": tmp_path / "e"} | options
        with pytest.raises(ResumeError, match=words_):
            evaluate(**given, folds=4, starts=1, on_progress=quiet, resume=True, work=quick_start)
    monkeypatch.setitem(RECIPES, CONFIG.recipe, replace(RECIPES[CONFIG.recipe], weight_decay=0.5))
    monkeypatch.setattr("hcc_scope.evaluation.plan.LOOP", 1)
    with pytest.raises(ResumeError, match=r"recipe\.weight_decay was 0\.0.*, is 0\.5; .*training_loop was 2, is 1"):
        run(tmp_path / "e", (data, tiles), resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("mine")
    with pytest.raises(StoreExistsError, match="holds no evaluation"):
        run(tmp_path / "other", (data, tiles))


def test_without_two_animals_of_a_class_neither_protocol_is_shown(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the protocol by animal cannot run"):
        run(tmp_path / "e", small(animals=1))
    assert not (tmp_path / "e").exists()


def test_one_animal_out_has_no_auc_per_fold_but_a_pooled_one(tmp_path: Path) -> None:
    result = run(tmp_path / "e", small(class_effect=0.2), leave_one_out=True)
    analysis = analyse(result)
    found = analysis.protocols["by_animal"]
    assert len(found.folds) == 6
    assert found.fold_mean("image", "auc") is None
    assert found.pooled["image"].auc is not None
    assert not found.pooled["image"].auc_within_folds
    assert len(analysis.protocols["paper"].folds) == 6  # so that both train on as much
    write_evaluation(analysis, tmp_path / "e", "x")
    assert load_calibration(tmp_path / "e").evaluation.protocols[1].fold_auc == (None,) * 6


def test_dealt_by_tile_the_tiles_lead_and_the_head_of_table_1_states_the_recipe(tmp_path: Path) -> None:
    result = run(tmp_path / "e", small(class_effect=0.2, animal_effect=0.5), unit="tile", starts=2)
    found = analyse(result)
    paper = found.protocols["paper"].pooled
    assert (paper["tile"].auc_within_folds, paper["image"].auc_within_folds) == (True, False)
    assert found.protocols["by_animal"].pooled["image"].auc_within_folds
    assert found.gap == found.gaps["tile"]
    assert describe_gap(found).startswith(
        f"AUC of tiles by animal: {found.protocols['by_animal'].pooled['tile'].auc.value:.2f} ["
    )
    assert found.copies == ()
    assert 0.0 <= paper["tile"].auc.sd_of_starts < 0.1
    assert paper["tile"].auc_of_single == pytest.approx(paper["tile"].auc.value, abs=0.1)
    content = write_evaluation(found, tmp_path / "e", "x")
    head = (tmp_path / "e/table1.md").read_text(encoding="utf-8").split("**Table 1")[0]
    for words in ("meng2019", "cross-entropy", "1 epoch", "2 random starts", "float32", "deals tiles", "seed 2019"):
        assert words in head
    assert content["recipe"] in head
    assert content["card"]["recipe"] == content["recipe"]
    assert content["card"]["headline"] == describe_gap(found)
    assert any("tiles of one image are on both sides" in sentence for sentence in content["left_open"])
    report = (tmp_path / "e/report.md").read_text(encoding="utf-8")
    assert all(sentence in report for sentence in content["left_open"])
    level, sd = content["card"]["protocols"][1]["levels"][0], found.gaps["tile"].sd_of_starts
    assert (level["animals"], level["auc_within_folds"]) == (6, True)
    assert 0.0 <= level["auc_sd_of_starts"] <= sd
    assert level["brier_interval"][0] < level["brier"] < level["brier_interval"][1]


def test_temperature_and_threshold_come_from_folds_by_animal_alone(varied: EvaluationResult) -> None:
    result, found = varied, analyse(varied)
    assert (result.temperature, result.threshold) == calibrate_folds(result.of("by_animal"), result.tiles)
    for odds, words_ in ((5, "the largest that is tried"), (-5, "the smallest that is tried")):
        at_the_end = replace(result, temperature=fit_temperature(np.float32([odds, -odds]), np.array([0, 1])))
        assert any(words_ in sentence for sentence in describe_calibration(replace(found, result=at_the_end)))
    inner = found.nested
    assert len(inner.thresholds) == 3
    assert 0 <= inner.section_accuracy <= 1


def test_names_of_animals_and_sections_show_their_letters_in_the_report(learnt: EvaluationResult) -> None:
    result = learnt
    named = tuple(
        replace(image, animal_id=f"*{image.animal_id}*|<b>", section_id=f"_{image.section_id}_")
        for image in result.tiles.images
    )
    first = result.tiles.images[0].section
    inside = [i for i, image in enumerate(result.tiles.images) if image.section == first]

    def measured(fold: FoldResult) -> FoldResult:
        far = np.isin(result.tiles.image_index[fold.rows], inside)
        return each_start(fold, distances=np.where(far, 9.0, 1.0).astype(np.float32), ood_threshold=2.0)

    result = by_animal_like(replace(result, tiles=replace(result.tiles, images=named)), measured)
    text = report_markdown(analyse(result), "x", [])
    assert r"| \*low-1\*\|\<b\> | low | 2 | 4 | 8 | \_s0\_ 0." in text
    assert r"section \_s0\_ of \*low-0\*|\<b\>" in text
    assert "<b>" not in text
    assert "*low" not in text.replace(r"\*low", "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_in_the_place_of_a_finished_evaluation_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "evaluation.json")
    with pytest.raises(TrainingError, match="cannot be read: it is a pipe"):
        load_calibration(tmp_path)
