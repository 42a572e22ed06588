"""Pictures of the map that are finer than its thumbnails, read from a store while it grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtGui import QImage, QPainter
from review_parts import settle, wait
from storage_cases import make_frame, make_spec

from hcc_scope.errors import StoreError
from hcc_scope.storage.writer import create_store
from hcc_scope.thumbnails import thumbnail
from ui.canvas.viewport import Viewport
from ui.control.growing_store import StoredFields
from ui.kit.jobs import Jobs
from ui.map import fine_pictures
from ui.map.fine_pictures import FinePictures, Wish
from ui.map.map_field import MapField
from ui.map.map_fields import FieldsLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from hcc_scope.types import Frame

SIDE = 256
LIMITS = (0.0, 1000.0)
VIEW = Viewport(1.0, (0.0, 0.0), (300.0, 300.0))


class HeldJobs:
    """Keeps the work until a test lets it go, so that a test decides what happens in between."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], object], Callable[[object], None]]] = []

    def submit(self, _worker: str, fn: Callable, done: Callable, _failed: Callable) -> None:
        self.waiting.append((fn, done))

    def go(self) -> None:
        fn, done = self.waiting.pop(0)
        done(fn())


def stripes(seq: int) -> NDArray[np.uint16]:
    """Return columns of 0 and 1000 by turns: a thumbnail shows their mean."""
    pixels = np.zeros((SIDE, SIDE), np.uint16)
    pixels[:, ::2] = 1000
    pixels[0, 0] = seq
    return pixels


def reader(read: list[int]) -> Callable[[int], Frame]:
    def one(seq: int) -> Frame:
        read.append(seq)
        return make_frame(seq, (SIDE, SIDE), pixels=stripes(seq))

    return one


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_pictures, "SETTLE_MS", 0)


@pytest.fixture
def jobs(qtbot: QtBot) -> Iterator[Jobs]:
    del qtbot
    made = Jobs()
    yield made
    assert made.close(30.0) == ()


def layer_of(fine: FinePictures, n: int = 1) -> FieldsLayer:
    """Return fields side by side, each 100 um wide, with grey thumbnails."""
    layer = FieldsLayer(fine)
    layer.field_um = (100.0, 100.0)
    layer.shows_words = False
    for seq in range(n):
        layer.add(MapField(seq, thumbnail(stripes(seq)), (100.0 * seq, 0.0)))
    layer.set_common_limits(LIMITS)
    return layer


def painted(layer: FieldsLayer, view: Viewport) -> QImage:
    image = QImage(round(view.size[0]), round(view.size[1]), QImage.Format.Format_RGB32)
    image.fill(0)
    painter = QPainter(image)
    layer.paint(painter, view)
    painter.end()
    return image


def greys(image: QImage) -> set[int]:
    """Return the greys of the middle row, inside the field's edge."""
    y = image.height() // 2
    return {image.pixelColor(x, y).red() for x in range(100, 200)}


def test_the_thumbnail_stays_until_the_finer_picture_is_there(qtbot: QtBot):
    held, read = HeldJobs(), []
    fine = FinePictures(held)
    fine.set_reader(reader(read), (SIDE, SIDE))
    layer, view = layer_of(fine), Viewport(2.56, (0.0, 0.0), (300.0, 300.0))  # one screen px for each of the frame
    before = painted(layer, view)
    assert greys(before) == {127}
    wait(qtbot, lambda: bool(held.waiting))
    assert painted(layer, view) == before
    with qtbot.waitSignal(fine.arrived):
        held.go()
    assert greys(painted(layer, view)) == {0, 255}
    assert fine.complete
    painted(layer, view)
    assert read == [0]  # it is kept


def test_a_field_no_larger_than_its_thumbnail_is_not_read(qtbot: QtBot):
    held, read = HeldJobs(), []
    fine = FinePictures(held)
    fine.set_reader(reader(read), (SIDE, SIDE))
    painted(layer_of(fine), Viewport(1.2, (0.0, 0.0), (300.0, 300.0)))
    qtbot.wait(20)
    assert held.waiting == []
    assert fine.complete


def test_only_what_is_in_sight_is_read_and_what_has_left_is_not(qtbot: QtBot):
    held, read = HeldJobs(), []
    fine = FinePictures(held)
    fine.set_reader(reader(read), (SIDE, SIDE))
    layer = layer_of(fine, 9)
    painted(layer, Viewport(2.56, (0.0, 0.0), (300.0, 300.0)))  # fields 0 and 1
    wait(qtbot, lambda: bool(held.waiting))
    painted(layer, Viewport(2.56, (800.0, 0.0), (300.0, 300.0)))  # 7 and 8, before anything is read
    held.go()
    assert read == []  # it was cancelled
    while not fine.complete:
        wait(qtbot, lambda: bool(held.waiting))
        held.go()
    assert read == [8, 7]  # the middle of the view first


def test_pictures_take_no_more_than_their_bound(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch):
    whole = 4 * SIDE**2
    monkeypatch.setattr(fine_pictures, "LARGEST_BYTES", 4 * whole)
    held, read = HeldJobs(), []
    fine = FinePictures(held)
    fine.set_reader(reader(read), (SIDE, SIDE))
    for first in range(0, 12, 2):
        fine.wish([Wish(first + i, 1.0, i) for i in range(2)], LIMITS, VIEW)
        while not fine.complete:
            wait(qtbot, lambda: bool(held.waiting))
            held.go()
    assert fine.n_bytes == 4 * whole
    assert [fine.picture(seq, 1.0) is None for seq in range(12)] == [True] * 8 + [False] * 4
    fine.wish([Wish(seq, 1.0, seq) for seq in range(12)], LIMITS, VIEW)  # as fine as that they do not fit
    while not fine.complete:
        wait(qtbot, lambda: bool(held.waiting))
        held.go()
    assert fine.n_bytes <= 4 * whole
    assert all(fine.picture(seq, 1.0) is not None for seq in range(12))


def test_another_section_shows_no_picture_of_the_one_before(qtbot: QtBot):
    held = HeldJobs()
    fine = FinePictures(held)
    fine.set_reader(reader([]), (SIDE, SIDE))
    fine.wish([Wish(0, 1.0, 0.0)], LIMITS, VIEW)
    wait(qtbot, lambda: bool(held.waiting))
    fine.set_reader(reader([]), (SIDE, SIDE))
    held.go()
    assert fine.picture(0, 1.0) is None
    assert fine.n_bytes == 0


def test_a_running_section_is_read_and_gets_most_of_the_disks_time(
    qtbot: QtBot, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fine_pictures, "RETRY_S", 0.05)
    errors: list[object] = []
    jobs.error_reported.connect(errors.append)
    writer = create_store(tmp_path, make_spec((SIDE, SIDE)))
    fine = FinePictures(jobs)
    fine.set_reader(StoredFields(writer.path).read, (SIDE, SIDE))
    fine.set_beside_run(True, allowed=False)  # as fast as the camera: the disk is the run's
    fine.wish([Wish(0, 1.0, 0.0)], LIMITS, VIEW)
    assert fine.complete
    fine.set_beside_run(True)
    fine.wish([Wish(0, 1.0, 0.0)], LIMITS, VIEW)
    settle(qtbot, jobs)  # it is not stored yet
    assert fine.picture(0, 1.0) is None
    writer.append(make_frame(0, (SIDE, SIDE)))
    wait(qtbot, lambda: writer.committed == 1)
    deadline = time.monotonic() + 30.0
    while fine.picture(0, 1.0) is None:
        assert time.monotonic() < deadline
        fine.wish([Wish(0, 1.0, 0.0)], LIMITS, VIEW)  # as every paint does
        qtbot.wait(10)
    writer.close()
    assert errors == []


def test_a_frame_that_cannot_be_read_keeps_its_thumbnail(qtbot: QtBot, jobs: Jobs):
    asked: list[int] = []

    def damaged(seq: int) -> Frame:
        asked.append(seq)
        raise StoreError(f"frame {seq} is damaged")

    fine = FinePictures(jobs)
    fine.set_reader(damaged, (SIDE, SIDE))
    layer, view = layer_of(fine), Viewport(2.56, (0.0, 0.0), (300.0, 300.0))
    before = painted(layer, view)
    wait(qtbot, lambda: bool(asked))
    settle(qtbot, jobs)
    assert painted(layer, view) == before
