"""Measure the cost of the window for the pipeline, watched and in use, and the window's response times.

``python -m benchmarks.app_cost [ROUNDS] [FRAMES]``; frames of 2048 x 2048 from the demo camera at full rate, stored and
classified. They show fields of a phantom section that are drawn before: tiles with tissue, at no cost while it is
measured. Three runs in each round: without the window (*plain*), with the window on the screen (*watched*), and with an
operator who does something in it every second (*used*: another tab, a zoom). Each is a process of its own, in another
order each round, and the cost is the median over the rounds: a computer's speed drifts by more than a window costs.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.phantom import Specimen

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

ROUNDS = 6
FRAMES = 300
KINDS = ("plain", "watched", "used")
MODEL, ENGINE = "phantom-meng2019", "auto"
EXPOSURE_MS = 10.0
SIDE_PX, PIXEL_UM = 2048, 0.325
ANIMAL, SECTION, SEED = "bench", "S1", 1
TOUCH_MS = 1000
FIELDS, STEP_UM = 8, 700.0
"""Different fields that are shown one after the other, and how far they lie apart."""


def _plan(folder: Path, frames: int) -> Path:
    path = folder / "plan.yaml"
    path.write_text(f"kind: sequence\nn_frames: {frames}\nexposure_ms: {EXPOSURE_MS}\n", encoding="utf-8")
    return path


def _fast(microscope: Any) -> None:  # noqa: ANN401 - MicroManager
    """Have the demo camera send one picture again and again: what is measured is not how it draws."""
    microscope.thread.call("choosing", lambda: microscope.backend.core.set_property("Camera", "FastImage", "1"))


def _show_phantom() -> Specimen:
    """Have every phantom scene of this process show the same few fields; return their specimen."""
    from hcc_scope.microscope.phantom_scene import PhantomScene
    from hcc_scope.phantom import Specimen
    from hcc_scope.runs.phantoms import grown

    specimen = grown(Specimen(SEED, ANIMAL, SECTION, "high", day="app"), PIXEL_UM)
    scene = PhantomScene(specimen)
    frames = []
    for k in range(FIELDS):
        place = ((k % 4 - 1.5) * STEP_UM, (k // 4 - 0.5) * STEP_UM, None)
        frame = scene.paint(
            (SIDE_PX, SIDE_PX), stage_um=place, exposure_ms=EXPOSURE_MS, em_gain=None, um_per_px=PIXEL_UM, seq=k
        )
        frames.append(frame)
        frames[-1].flags.writeable = False

    def paint(_: PhantomScene, shape_yx: tuple[int, int], *, seq: int, **__: object) -> NDArray[np.uint16]:
        assert shape_yx == (SIDE_PX, SIDE_PX)
        return frames[seq % FIELDS]

    PhantomScene.paint = paint  # type: ignore[method-assign,assignment]  # what is measured is not how it is drawn
    PhantomScene.expect = _nothing  # type: ignore[method-assign]
    return specimen


def _nothing(*_: object, **__: object) -> None:
    """Prepare no field."""


def without_window(folder: Path, frames: int) -> dict[str, float]:
    from hcc_scope.plans import load_plan
    from hcc_scope.runs.rigs import open_rig
    from hcc_scope.runs.scoring_model import load_scoring_model
    from hcc_scope.runs.section import section_source, start_section

    scoring_model = load_scoring_model(MODEL, ENGINE, lambda _: None)
    specimen = _show_phantom()
    with open_rig("demo") as rig:
        _fast(rig.microscope)
        plan = load_plan(_plan(folder, frames))
        source = section_source(rig.microscope, plan, scoring_model, ANIMAL, SECTION, specimen=specimen)
        outcome = start_section(source, scoring_model, folder).finish().outcome
    return {**outcome.rates, "stored": outcome.counts.stored}


def with_window(folder: Path, frames: int, *, used: bool) -> dict[str, float]:
    from PySide6.QtCore import QEventLoop, QTimer
    from PySide6.QtWidgets import QApplication

    from ui.app import App
    from ui.control.section_request import PlanChoice

    _show_phantom()
    qt = QApplication([])
    app = App.make(folder / "settings")
    app.setup.change(seed=SEED, out_dir=folder, plan=PlanChoice(kind="file", file=str(_plan(folder, frames))))
    app.window.resize(1920, 1080)
    app.begin()

    def wait(condition: Any) -> None:  # noqa: ANN401 - a callable
        while not condition():
            qt.processEvents()
            time.sleep(0.001)

    app.commands.open_rig("demo")
    wait(lambda: app.state.rig is not None)
    assert app.rig.loaded is not None
    _fast(app.rig.loaded.rig.microscope)
    app.window.top.specimen.setCurrentText("Phantom, high")
    app.window.top.animal.set_value(ANIMAL)
    app.window.top.section.set_value(SECTION)
    wait(lambda: app.run.scoring_model is not None and app.window.actions_["start"].isEnabled())
    reports: list[Any] = []
    loop = QEventLoop()  # as the app waits: without waking up for nothing
    spent_s = -time.thread_time()
    began = time.monotonic()
    app.state.run_finished.connect(reports.append)
    app.state.finish_failed.connect(lambda: reports.append(None))
    for over in (app.state.run_finished, app.state.finish_failed):
        over.connect(loop.quit)
    waits_ms: list[float] = []
    shown: list[float] = []
    tabs, canvas = app.window.tabs, app.views.live.view

    def touch() -> None:
        """Do what an operator does now and then."""
        shown.append(app.state.shown_fps)
        touched, n = time.monotonic(), len(shown)
        if n % 2:
            tabs.setCurrentIndex((n // 2) % tabs.count())
        else:
            canvas.zoom_by(1.25 if n % 4 else 0.8)
        qt.processEvents()
        waits_ms.append(1000 * (time.monotonic() - touched))

    hand = QTimer(interval=TOUCH_MS)
    hand.timeout.connect(touch)
    app.window.actions_["start"].trigger()
    if used:
        hand.start()
    if not reports:
        loop.exec()
    hand.stop()
    spent_s += time.thread_time()
    took_s = time.monotonic() - began
    outcome = reports[0].outcome
    app.shutdown.ask()
    wait(lambda: not app.window.isVisible())
    app.end()
    rates = {**outcome.rates, "stored": outcome.counts.stored}
    rates["window_thread_share"] = spent_s / took_s / (os.cpu_count() or 1)
    if not used:
        return rates
    waits = {"wait_median_ms": statistics.median(waits_ms), "wait_worst_ms": max(waits_ms)}
    return {**rates, **waits, "shown_fps": max(shown)}


def _round(kind: str, frames: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.app_cost", "--round", kind, str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    if sys.argv[1:2] == ["--round"]:
        kind, frames = sys.argv[2], int(sys.argv[3])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            found_here = (
                without_window(folder, frames) if kind == "plain" else with_window(folder, frames, used=kind == "used")
            )
            print(json.dumps(found_here))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    frames = int(sys.argv[2]) if len(sys.argv) > 2 else FRAMES
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for n in range(rounds):
        for kind in (*KINDS[n % 3 :], *KINDS[: n % 3]):
            found[kind].append(_round(kind, frames))
            print(kind, {name: round(value, 3) for name, value in found[kind][-1].items()}, flush=True)
    rates = {kind: [one["end_to_end_fps"] for one in answers] for kind, answers in found.items()}
    print(", ".join(f"{kind} {statistics.median(each):.1f} frames/s" for kind, each in rates.items()), "(medians)")
    for kind in KINDS[1:]:
        costs = sorted(1 - with_it / plain for plain, with_it in zip(rates["plain"], rates[kind], strict=True))
        share = statistics.median(one["window_thread_share"] for one in found[kind])
        print(
            f"the window, {kind}, costs {statistics.median(costs):.1%} of the frame rate (median of {rounds} rounds, "
            f"{costs[0]:.1%} to {costs[-1]:.1%}); its thread takes {share:.1%} of the processors"
        )
    print(f"worst wait for a tab or a repaint: {max(one['wait_worst_ms'] for one in found['used']):.0f} ms")


if __name__ == "__main__":
    main()
