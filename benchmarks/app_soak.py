"""Half an hour with the window open: 1024 x 1024 at 5 frames/s, tabs changing; memory, widgets, threads.

``python -m benchmarks.app_soak [MINUTES]``. Prints one line for each tenth of the time. Without a display it runs on
none (``QT_QPA_PLATFORM=offscreen``). Needs about 1.1 MiB of disk a frame, which is given back at the end.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication, QWidget

from hcc_scope.resources import hardware_configs_dir
from ui.app import App
from ui.control.section_request import PlanChoice
from ui.control.system_usage import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.types import Counts

MINUTES = 30.0
INTERVAL_S = 0.2
PATIENCE_S = 120.0
PARTS = 10


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    qt = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        app = _app_on_a_rig(qt, Path(folder), n_frames=round(minutes * 60 / INTERVAL_S))
        _wait(qt, lambda: app.window.actions_["start"].isEnabled(), "the rig to be ready")
        app.window.actions_["start"].trigger()
        _wait(qt, lambda: app.state.snapshot is not None, "the section to begin")
        began_s, part, longest_s = time.monotonic(), 0, 0.0
        while app.run.active and part < PARTS:
            at_s = time.monotonic()
            qt.processEvents()
            longest_s = max(longest_s, time.monotonic() - at_s)
            time.sleep(0.002)
            if at_s - began_s < (part + 1) * minutes * 60 / PARTS:
                continue
            part += 1
            app.window.tabs.setCurrentIndex(part % app.window.tabs.count())
            print(
                f"{at_s - began_s:5.0f} s: {resident_bytes() / 2**20:.0f} MiB resident,"
                f" {len(app.window.findChildren(QWidget))} widgets, {threading.active_count()} threads,"
                f" shown {app.state.shown_fps:.1f}/s, longest turn of Qt {longest_s * 1e3:.0f} ms,"
                f" {_counts(app)}",
                flush=True,
            )
            longest_s = 0.0
        app.run.stop()
        _wait(qt, lambda: not app.run.active, "the section to end")
        print(_counts(app))
        app.shutdown.ask()
        _wait(qt, lambda: not app.window.isVisible() and not app.jobs.n_open, "the window to close")
        app.end()


def _counts(app: App) -> Counts | None:
    snapshot = app.state.snapshot
    return None if snapshot is None else snapshot.counts


def _app_on_a_rig(qt: QApplication, folder: Path, n_frames: int) -> App:
    """Open the app on a demo rig whose frames are 1024 x 1024, with an animal, a section and a plan."""
    text = (hardware_configs_dir() / "demo.cfg").read_text(encoding="utf-8")
    for side in ("OnCameraCCDXSize", "OnCameraCCDYSize"):
        text = text.replace(f"{side},2048", f"{side},1024")
    (folder / "demo.cfg").write_text(text, encoding="utf-8")
    rig = folder / "demo.rig.yaml"
    rig.write_text((hardware_configs_dir() / "demo.rig.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    plan = folder / "plan.yaml"
    plan.write_text(f"kind: time_series\nn_frames: {n_frames}\ninterval_s: {INTERVAL_S}\n", encoding="utf-8")
    app = App.make(folder / "settings")
    app.setup.change(out_dir=folder / "sections", plan=PlanChoice(kind="file", file=str(plan)))
    app.window.resize(1600, 1000)
    app.begin()
    app.commands.open_rig(str(rig))
    _wait(qt, lambda: app.state.rig is not None, "the rig to load")
    app.window.top.animal.set_value("soak")
    app.window.top.section.set_value("S1")
    return app


def _wait(qt: QApplication, until: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not until():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"waited in vain for {what}")
        qt.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
