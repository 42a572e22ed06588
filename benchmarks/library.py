"""Time that the library takes with 1,000 sections, or another number.

``python -m benchmarks library [--sections N]``: to list a folder, to list it again, and to search and sort the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication

from benchmarks.qc import GOOD, write_manifest
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.library import SectionLister
from hcc_scope.storage.metadata import sealed
from ui.library.library_filter import Column
from ui.library.library_tab import LibraryTab

PER_ANIMAL = 5
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


def write_section(folder: Path, n: int) -> None:
    """Write the manifest of the n-th section, with a score."""
    store = write_manifest(folder, n, GOOD, animal=f"M{n // PER_ANIMAL}")
    root = json.loads((store / "zarr.json").read_bytes())
    attributes = root["attributes"]["hcc_scope"]
    score = 0.2 + 0.6 * (n % 7) / 7
    attributes["outcome"] |= {**_SCORE, "score": score, "interval": [score - 0.1, score + 0.1]}
    root["attributes"]["hcc_scope"] = sealed(attributes)
    (store / "zarr.json").write_text(json.dumps(root), encoding="utf-8")


def _timed(what: str, began_s: float, painted: LibraryTab | None = None) -> None:
    if painted is not None:
        painted.grab()
    print(f"{what}: {1000 * (time.perf_counter() - began_s):.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sections", type=int, default=1000)
    n = parser.parse_args().sections
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as name:
        for k in range(n):
            write_section(Path(name), k)
        lister = SectionLister()
        for what in ("listed", "listed again"):
            began_s = time.perf_counter()
            sections = list(lister.each([Path(name)]))
            _timed(f"{n:,} sections {what}", began_s)
    assert len(sections) == n
    tab = LibraryTab([], QAction("Other folder …"))
    scores = animal_scores(sections)
    by_animal = {one.animal_id: [one] for one in scores}
    tab.model.take_sources(lambda _section: None, lambda animal_id, _asks: by_animal.get(animal_id, []))
    tab.resize(1200, 700)
    tab.show()
    app.processEvents()
    began_s = time.perf_counter()
    tab.set_sections(sections)
    _timed("table filled", began_s, tab)
    began_s = time.perf_counter()
    tab.bar.search.setText("m1")
    _timed("searched", began_s, tab)
    tab.bar.search.clear()
    began_s = time.perf_counter()
    tab.table.sortByColumn(int(Column.SCORE), Qt.SortOrder.DescendingOrder)
    _timed("sorted", began_s, tab)
    tab.close()


if __name__ == "__main__":
    main()
