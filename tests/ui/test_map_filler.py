"""A field appears on the map once: together with its result, if that comes at about the same time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from review_parts import settle, wait
from storage_cases import make_frame, make_spec
from view_parts import THRESHOLD, grid_of, result_of

from ui.kit.jobs import Jobs
from ui.map import map_filler
from ui.map.map_filler import MapFiller
from ui.map.map_tab import SectionMapTab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

GRID = grid_of(256, 128)


class Section:
    """A map, what fills it, and how often each field was put there."""

    def __init__(self, qtbot: QtBot, jobs: Jobs, folder: Path) -> None:
        self.run = SimpleNamespace(
            store_path=folder, spec=make_spec((256, 256)), results={}, grid=GRID, threshold=THRESHOLD
        )
        self.tab = SectionMapTab()
        qtbot.addWidget(self.tab)
        self.tab.set_plan(None, None, (83.2, 83.2))
        self.put: list[tuple[int, bool]] = []
        add = self.tab.add_field

        def counted(seq: int, *args: object, **how: object) -> None:
            add(seq, *args, **how)
            self.put.append((seq, self.tab.fields.fields[seq].result is not None))

        self.tab.add_field = counted  # type: ignore[method-assign]
        self.filler = MapFiller(self.tab, jobs, SimpleNamespace(is_excluded=lambda seq: seq == 1))  # type: ignore[arg-type]
        self.filler.begin(self.run)  # type: ignore[arg-type]

    def classify(self, seq: int) -> None:
        self.run.results[seq] = result_of(seq, [0.9, 0.1, 0.5, 0.5])
        self.filler.show_result(self.run.results[seq])


@pytest.fixture
def jobs(qtbot: QtBot) -> Iterator[Jobs]:
    del qtbot
    made = Jobs()
    yield made
    assert made.close(30.0) == ()


@pytest.fixture
def section(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> Section:
    return Section(qtbot, jobs, tmp_path)


def test_a_field_appears_once_and_classified(qtbot: QtBot, jobs: Jobs, section: Section):
    section.filler.see(make_frame(0, (256, 256)))
    settle(qtbot, jobs)
    assert section.tab.fields.fields == {}  # its result may come in a moment
    section.classify(0)
    assert section.put == [(0, True)]
    section.run.results[1] = result_of(1, [0.9] * 4)  # as fast as that
    section.filler.see(make_frame(1, (256, 256)))
    settle(qtbot, jobs)
    assert section.put == [(0, True), (1, True)]
    assert section.tab.fields.fields[1].excluded


def test_a_field_whose_result_takes_long_appears_without_it(
    qtbot: QtBot, jobs: Jobs, section: Section, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(map_filler, "_RESULT_WAIT_S", 0.0)
    section.filler.see(make_frame(0, (256, 256)))
    wait(qtbot, lambda: section.put == [(0, False)])
    section.classify(0)
    assert section.put == [(0, False)]
    assert section.tab.fields.fields[0].score is not None
    settle(qtbot, jobs)


def test_at_the_end_nothing_waits_any_more(qtbot: QtBot, jobs: Jobs, section: Section):
    section.filler.see(make_frame(0, (256, 256)))
    settle(qtbot, jobs)
    section.filler.stored(1, over=True)
    assert section.put == [(0, False)]
    settle(qtbot, jobs)


def test_a_retake_is_put_on_the_map_though_its_place_is_taken(qtbot: QtBot, jobs: Jobs, section: Section):
    place = (100.0, 50.0, None)
    for seq, tags in ((0, {}), (1, {}), (2, {"retake_of": 0})):
        section.run.results[seq] = result_of(seq, [0.9] * 4)
        section.filler.see(make_frame(seq, (256, 256), stage_um=place, tags=tags))
        settle(qtbot, jobs)
    assert section.put == [(0, True), (2, True)]
