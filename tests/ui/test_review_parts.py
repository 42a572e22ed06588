"""The review tabs' arithmetic and words, without a window."""

from __future__ import annotations

import doctest
import importlib
from dataclasses import replace
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QUrl
from review_parts import GRID, frame, result

from hcc_scope.field_quality import judge_tiles
from hcc_scope.flag_texts import FLAG_TEXTS
from hcc_scope.formatting import capital
from hcc_scope.inference.saliency_map import relative_saliency
from hcc_scope.runs.section_analyses import section_score
from hcc_scope.score_text import verdict
from hcc_scope.storage.reader import SectionStore
from hcc_scope.storage.recorded_run import RecordedRun
from hcc_scope.types import RunSpec, Sampling
from ui.canvas.drawing import _hatch_pixmap
from ui.replay.store_list import dropped_stores, stores_in
from ui.tiles.thumbnails import display_limits, make_thumbnails
from ui.tiles.tile_table import TileFilter, TileOrder, TileTable
from ui.tiles.tile_text import format_probability, tile_tooltip

SPEC = RunSpec((1024, 1024), 16, 0.325, "M7", "S1")


def stored(n_frames: int, *, sampling: Sampling = "random", **attributes: object) -> SectionStore:
    """Return a store that is nowhere on a disk: scores need its facts alone."""
    spec = replace(SPEC, sampling=sampling)
    store = create_autospec(SectionStore, instance=True)
    run = RecordedRun.parse({"created_utc": "2026-11-29T12:00:00+00:00", **attributes}, {})
    store.configure_mock(path=Path("nowhere"), place=Path("nowhere"), spec=spec, n_frames=n_frames, recorded=run)
    return store


OUT_OF_FOCUS, SATURATED, UNLIKE = 2, 4, 16


def table() -> TileTable:
    made = TileTable()
    made.add(result(0, [0.9, 0.2, 0.45, 0.0], [0, 0, 0, OUT_OF_FOCUS]))
    made.add(result(1, [0.1, 0.6, 0.0, 0.0], [0, 0, SATURATED | OUT_OF_FOCUS, 1]))
    made.add(replace(result(2, [0.5] * 4), outcome="failed", probabilities=np.full(4, np.nan, np.float32)))
    return made


def places(made: TileTable, order: TileOrder, which: TileFilter, excluded: tuple[int, ...] = ()) -> list[tuple]:
    rows = made.chosen(order, which, 0.45, excluded).tolist()
    return [(made.tile(row).seq, made.tile(row).index) for row in rows]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (TileOrder.NEWEST, [(1, 0), (1, 1), (0, 0), (0, 1), (0, 2)]),
        (TileOrder.HIGHEST, [(0, 0), (1, 1), (0, 2), (0, 1), (1, 0)]),
        (TileOrder.LOWEST, [(1, 0), (0, 1), (0, 2), (1, 1), (0, 0)]),
        (TileOrder.LEAST_CERTAIN, [(0, 2), (1, 1), (0, 1), (1, 0), (0, 0)]),
    ],
)
def test_the_gallery_sorts_classified_tiles(order: TileOrder, expected: object):
    assert places(table(), order, TileFilter.CLASSIFIED) == expected


@pytest.mark.parametrize("order", [TileOrder.HIGHEST, TileOrder.LOWEST, TileOrder.LEAST_CERTAIN])
def test_tiles_without_a_probability_come_last(order: TileOrder):
    shown = places(table(), order, TileFilter.ALL)
    assert len(shown) == 12
    assert set(shown[5:]) == {(0, 3), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)}


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (TileFilter.EXCLUDED, {(0, 3), (1, 2), (1, 3)}),
        (TileFilter.OUT_OF_FOCUS, {(0, 3), (1, 2)}),
        (TileFilter.SATURATED, {(1, 2)}),
        (TileFilter.NO_TISSUE, {(1, 3)}),
        (TileFilter.UNDER_EXPOSED, set()),
        (TileFilter.FAILED, {(2, 0), (2, 1), (2, 2), (2, 3)}),
        (TileFilter.BY_OPERATOR, {(1, 0), (1, 1), (1, 2), (1, 3)}),
    ],
)
def test_the_gallery_filters_by_reason(which: TileFilter, expected: object):
    made = table()
    assert set(places(made, TileOrder.NEWEST, which, (1,))) == expected
    assert made.counts((1,))[which] == len(expected)


def unlike_table() -> TileTable:
    """One tile of each of two fields is unlike training; a third field is of a model that measures no distance."""
    made = TileTable()
    for seq, distances in enumerate(([1.0, 9.0, 3.0, np.nan], [2.0, 8.0, 4.0, 5.0])):
        one = result(seq, [0.9, 0.2, 0.45, 0.1], [0, UNLIKE, 0, OUT_OF_FOCUS if seq == 0 else 0])
        made.add(replace(one, distances=np.float32(distances)))
    made.add(result(2, [0.5] * 4))
    return made


def test_tiles_unlike_training_are_found():
    made = unlike_table()
    assert places(made, TileOrder.NEWEST, TileFilter.UNLIKE_TRAINING) == [(1, 1), (0, 1)]
    assert made.counts()[TileFilter.UNLIKE_TRAINING] == 2
    assert places(made, TileOrder.MOST_UNLIKE, TileFilter.ALL)[:4] == [(0, 1), (1, 1), (1, 3), (1, 2)]
    without = places(made, TileOrder.MOST_UNLIKE, TileFilter.ALL)[-5:]
    assert set(without) == {(2, 0), (2, 1), (2, 2), (2, 3), (0, 3)}
    flagged, unasked, unmeasured = made.tile(1), made.tile(3), made.tile(8)
    assert (flagged.distance, flagged.probability) == (9.0, None)
    assert (unasked.distance, unmeasured.distance) == (None, None)
    assert format_probability(flagged) == "unlike training"
    tip = tile_tooltip(flagged, None, 0.45, excluded=False)
    assert "Not scored: unlike training" in tip
    assert "Distance from the model's training tiles: 9" in tip
    assert "Not classified: out of focus" in tile_tooltip(unasked, None, 0.45, excluded=False)
    assert "Distance" not in tile_tooltip(unmeasured, None, 0.45, excluded=False)


def test_the_columns_keep_their_values_when_the_table_grows():
    made = unlike_table()
    for seq in range(3, 400):
        made.add(result(seq, [0.5] * 4))
    assert made.tile(1).distance == 9.0


def test_a_field_analysed_again_takes_the_place_of_its_first_result():
    made = table()
    made.add(result(0, [0.3, 0.3, 0.3, 0.3]))
    assert len(made) == 12
    assert made.tile(0).probability == pytest.approx(0.3)
    assert made.counts()[TileFilter.OUT_OF_FOCUS] == 1


def test_the_table_grows_and_a_field_without_tiles_takes_no_room():
    made = TileTable()
    for seq in range(1000):
        made.add(result(seq, [seq / 1000] * 4))
    made.add(replace(result(1000, []), outcome="failed"))
    assert (len(made), made.n_fields) == (4000, 1001)
    assert made.tile(3999).seq == 999
    assert made.row_of(1000, 0) is None
    assert made.row_of(999, 3) == 3999
    with pytest.raises(IndexError, match="no tile 4000"):
        made.tile(4000)


def test_thumbnails_keep_the_frame_s_contrast():
    pixels = frame(0).pixels
    small = make_thumbnails(pixels, GRID, 128)
    assert small.shape == (4, 128, 128)
    means = small.mean(axis=(1, 2))
    assert (np.diff(means) > 50).all()  # tiles of 1000, 2000, 3000, 4000 counts
    assert display_limits(np.full((64, 64), 7, np.uint16)) == (7.0, 8.0)


def test_saliency_is_relative_and_survives_nonsense():
    saliency = np.zeros((64, 64), np.float32)
    assert relative_saliency(saliency).max() == 0
    saliency[3, 4] = -2.0  # one pixel is less than half a per cent
    saliency[0, 0] = np.nan
    relative = relative_saliency(saliency)
    assert relative[3, 4] == 1.0
    assert np.isfinite(relative).all()


def test_a_score_leaves_out_what_the_operator_excluded():
    results = {seq: result(seq, [seq / 10] * 4) for seq in range(5)}
    score = section_score(results, stored(5), 0.45, {4})
    assert score.score == pytest.approx(0.15)
    assert (score.frames, score.fields_excluded_by_operator) == (4, 1)


@pytest.mark.usefixtures("qapp")
def test_every_quality_flag_can_be_filtered_seen_and_judged():
    filters = {which.value for which in TileFilter}
    hatchings = {_hatch_pixmap(0, 1.0).toImage().bits().tobytes()}
    for flag, text in FLAG_TEXTS.items():
        assert capital(text.name) in filters
        hatchings.add(_hatch_pixmap(flag.value, 1.0).toImage().bits().tobytes())
        assert any(line.state == "bad" for line in judge_tiles(np.full(4, flag.value, np.uint8))), text.name
    assert len(hatchings) == 1 + len(FLAG_TEXTS)


def test_a_run_that_a_device_failure_spoilt_has_no_decision():
    spoilt = {"state": "failed", "interval_valid": False, "spoilt": "a device failed during the run"}
    failed = section_score({seq: result(seq, [0.97] * 4) for seq in range(60)}, stored(60, outcome=spoilt), 0.45)
    assert verdict(failed).sentence == ("No decision: the interval is not valid (a device failed during the run)")


def test_a_store_is_found_from_inside_itself_and_from_its_folder(tmp_path: Path):
    store = tmp_path / "M7_S1.ome.zarr"
    (store / "frames" / "0").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    assert stores_in(store) == stores_in(store / "frames" / "0") == stores_in(tmp_path) == [store]
    assert stores_in(tmp_path / "other") == [tmp_path / "other"]
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(one)) for one in (tmp_path, store)])
    assert dropped_stores(mime) == [], "an OME-Zarr of another program may have such a name"
    (store / "frames.jsonl").touch()
    assert dropped_stores(mime) == [store]
    assert dropped_stores(QMimeData()) == []


@pytest.mark.parametrize("module", ["ui.tiles.tile_table", "ui.replay.difference_layer", "ui.kit.save_dialog"])
def test_examples_in_docstrings(module: str):
    names = vars(importlib.import_module(module)) | {"np": np, "Path": Path}
    assert doctest.testmod(importlib.import_module(module), extraglobs=names).failed == 0
