"""Time that `hcc-scope query`, `hcc-scope batch` over done sections, and the library take with 10,000 sections.

``python -m benchmarks.library [N] [--folder FOLDER]``: the query without its index and with it, and the batch that goes
on where all is done, each in a process of its own from start to end, beside their limits (for 10,000 sections); the
same list in one process, as in the window; and the window's table filled, searched and sorted. The sections are
manifests in folders of 1,000, with a score and without frames, made in FOLDER, or in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import timed
from benchmarks.qc import GOOD, write_manifest
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.library import SectionLister
from hcc_scope.storage.metadata import sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hcc_scope.runs.listed_section import ListedSection

PER_ANIMAL = 5
_PER_FOLDER = 1000
SETTLED_S = 3.5
"""Files that were written just now are not indexed yet."""
_REPEATS = 3
_WARM_LIMIT_S, _COLD_LIMIT_S = 1.0, 10.0
"""For 10,000 sections."""
_SCORE = {
    "interval_frames": 24,
    "interval_valid": True,
    "confidence": 0.95,
    "threshold": 0.5,
    "stabilised": False,
    "stabilised_reason": "",
    "frames": 24,
    "tiles": 380,
    "tiles_excluded": {"out_of_focus": 4},
}
_QUERY = ("query", "--where", "score > 0.7", "--sort", "-score", "--csv")


def write_section(folder: Path, n: int) -> Path:
    """Write the manifest of the n-th section, with a score."""
    store = write_manifest(folder, n, GOOD, animal=f"M{n // PER_ANIMAL}")
    root = json.loads((store / "zarr.json").read_bytes())
    attributes = root["attributes"]["hcc_scope"]
    score = 0.2 + 0.6 * (n % 7) / 7
    attributes["outcome"] |= {**_SCORE, "score": score, "interval": [score - 0.1, score + 0.1]}
    root["attributes"]["hcc_scope"] = sealed(attributes)
    (store / "zarr.json").write_text(json.dumps(root), encoding="utf-8")
    return store


def _seconds(what: str, began_s: float, began_cpu_s: float | None = None) -> None:
    of_cpu = "" if began_cpu_s is None else f" ({_cpu_s() - began_cpu_s:.2f} s of processor time)"
    print(f"{what}: {time.perf_counter() - began_s:.2f} s{of_cpu}")


def _cpu_s() -> float:
    """Return the processor time of this process and of those that it waited for."""
    return sum(os.times()[:4])


def _time_command(folder: Path, cache: Path) -> None:
    for what, limit_s in (("without an index", _COLD_LIMIT_S), *[("again", _WARM_LIMIT_S)] * _REPEATS):
        _, shown = timed(f"hcc-scope query, {what}", [*_QUERY, str(folder)], cache, limit_s)
        print(f"  {len(shown.splitlines()) - 1:,} rows")


def _time_list(folder: Path, n: int) -> Sequence[ListedSection]:
    lister = SectionLister()
    sections: list[ListedSection] = []
    for what in ("", " again"):
        began_s, began_cpu_s = time.perf_counter(), _cpu_s()
        sections = list(lister.each([folder]))
        _seconds(f"listed in one process{what}", began_s, began_cpu_s)
    assert len(sections) == n
    return sections


def _time_table(sections: Sequence[ListedSection]) -> None:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QApplication

    from ui.library.library_filter import Column
    from ui.library.library_tab import LibraryTab

    app = QApplication.instance() or QApplication([])
    tab = LibraryTab([], QAction("Other folder …"))
    by_animal = {one.animal_id: [one] for one in animal_scores(sections)}
    tab.model.take_sources(lambda _section: None, lambda animal_id, _asks: by_animal.get(animal_id, []))
    tab.resize(1200, 700)
    tab.show()
    app.processEvents()

    def steps() -> Iterator[str]:
        tab.set_sections(sections)
        yield "table filled"
        tab.bar.search.setText("m1")
        yield "searched"
        tab.bar.search.clear()
        tab.table.sortByColumn(int(Column.SCORE), Qt.SortOrder.DescendingOrder)
        yield "sorted"

    began_s = time.perf_counter()
    for what in steps():
        tab.grab()
        _seconds(what, began_s)
        began_s = time.perf_counter()
    tab.close()


def main() -> None:
    from benchmarks.batch import resume_s  # that module takes its sections from this one

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="?", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="an empty folder, such as one on the disk that is asked about")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as cache:
        folder = Path(name) if asked.folder is None else asked.folder
        began_s = time.perf_counter()
        for n in range(asked.sections):
            write_section(folder / f"{n // _PER_FOLDER}", n)
        _seconds(f"{asked.sections:,} sections written", began_s)
        time.sleep(SETTLED_S)
        _time_command(folder, Path(cache))
        with tempfile.TemporaryDirectory(dir=asked.folder) as done:
            resume_s(Path(done), asked.sections)
        sections = _time_list(folder, asked.sections)
    _time_table(sections)


if __name__ == "__main__":
    main()
