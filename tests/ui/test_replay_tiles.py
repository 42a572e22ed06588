"""Replay with a model of another tile size than that of the live run, and a replay that is cancelled at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from model_parts import Plain, archive, make_model, random_tiles
from review_parts import settle

from hcc_scope.runs.reclassify import Reclassification
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.tiling import TileGrid
from ui.kit.jobs import Jobs
from ui.replay.replay_tab import ReplayTab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

STORE = Path(__file__).parents[1] / "data" / "version2_scored.ome.zarr"
"""Two fields of 512 x 512 px, classified in tiles of 512 px."""
SMALL = TileGrid.for_frame((512, 512), 256)


@pytest.fixture(scope="module")
def small_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of tiles of 256 px."""
    torch.manual_seed(2)
    module, tiles = Plain().eval(), random_tiles(2, 256)
    with torch.inference_mode():
        rows = [module(torch.from_numpy(tile[None, None].astype(np.float32))) for tile in tiles]
    return make_model(
        tmp_path_factory.mktemp("models") / "small", archive(module), torch.cat(rows).numpy(), tiles,
        tile_px=256, engine_tolerance=0.5,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORE, tmp_path / "M8_S2.ome.zarr"))


@pytest.fixture
def jobs(qapp: QApplication) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    assert made.close(30.0) == ()


def test_a_model_of_other_tiles_classifies_in_the_window_with_its_own_grid(
    qtbot: QtBot, jobs: Jobs, store: Path, small_tiles: Path
):
    tab = ReplayTab(jobs)
    qtbot.addWidget(tab)
    errors: list[str] = []
    tab.message.connect(lambda level, text: errors.append(text) if level == "error" else None)
    tab.open_stores([store])
    settle(qtbot, jobs)
    tab.classify.add_model("small", small_tiles)
    tab.classify.engine.setCurrentIndex(tab.classify.engine.findData("torchscript"))
    tab.classify.save_as.setText("small")
    tab.classify.start()
    settle(qtbot, jobs)
    assert errors == []
    recorded, again = tab.opened.analyses
    assert (recorded.grid.tile_px, again.grid) == (512, SMALL)
    assert {len(result.flags) for result in again.results.values()} == {4}
    assert tab.compare.sentence.text() == "Nothing to compare: Recorded has tiles of 512 px, Replay 1 of 256 px."
    titles = [tab.pane.overlay.itemText(row) for row in range(tab.pane.overlay.count())]
    assert titles == ["Recorded", "Replay 1", "Frame alone"]
    for row, grid in ((1, SMALL), (0, recorded.grid), (1, SMALL)):
        tab.pane.overlay.setCurrentIndex(row)
        settle(qtbot, jobs)
        assert tab.pane.tiles.grid == grid
        assert len(tab.pane.tiles.result.flags) == grid.n
        assert not tab.pane.view.grab().isNull()
    tab.close_store(store)
    tab.open_stores([store])
    settle(qtbot, jobs)
    saved = tab.opened.analyses[1]
    assert (saved.title, saved.grid) == ("Saved small", SMALL)
    assert tab.opened.problems == ()


def test_a_replay_that_is_cancelled_before_its_first_field_gives_nothing_and_no_error(store: Path, small_tiles: Path):
    task = Reclassification(store, model=str(small_tiles), engine="torchscript", title="Replay 1", save_as="again")
    task.cancel()
    assert task.run() is None
    assert task.cancelled
    assert [file.name for file in store.glob("predictions-*")] == []  # the name is still free
    task = Reclassification(store, model=str(small_tiles), engine="torchscript", title="Replay 1", save_as="again")
    assert task.run().note == "Replay 1: kept in the store as predictions-again."
    assert len(read_predictions(store, "predictions-again")) == 2
