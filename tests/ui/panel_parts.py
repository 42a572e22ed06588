"""Realistic values to show: a rig, a section's course, and what the pipeline reports about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from find import find
from PySide6.QtWidgets import QAbstractButton

from hcc_scope.microscope.device_controls import CameraState, DeviceProperty, GroupState, ObjectiveState, RigState
from hcc_scope.scoring import SectionScorer, calibrate
from hcc_scope.types import Counts, FrameResult, Sampling, SectionScore, Snapshot, StageLimits
from ui.kit.fields import ChoiceField, NumberField
from ui.kit.labels import ValueLabel
from ui.kit.symbols import SignedLine

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

CAMERA = CameraState(
    label="Camera",
    library="DemoCamera",
    exposure_ms=20.0,
    exposure_limits_ms=(0.0, 10000.0),
    binning="1",
    binnings=("1", "2", "4", "8"),
    roi=(0, 0, 2048, 2048),
    full=(2048, 2048),
    bit_depth=16,
    em_gain=120.0,
    em_gain_limits=(1.0, 300.0),
    em_switch=True,
    temperature_c=-69.8,
    temperature_set_point_c=-70.0,
    readout="10 MHz EM amplifier",
    readouts=("10 MHz EM amplifier", "1 MHz conventional"),
)
RIG = RigState(
    camera=CAMERA,
    groups={
        "Objective": GroupState(("10x", "20x", "40x"), "20x"),
        "Channel-Multiband": GroupState(("DAPI", "Transmitted light"), ""),
        "System": GroupState(("Startup",), ""),
    },
    objective=ObjectiveState(("40x", "10x", "HC PL FLUOTAR 20x/0.50"), "HC PL FLUOTAR 20x/0.50"),
    pixel_size_um=0.325,
    xy_um=(12345.6, -3987.2),
    z_um=-12.35,
    limits=StageLimits((-60000, 60000), (-40000, 40000), (-300, 300)),
    shutter_open=False,
    auto_shutter=True,
    busy=True,
)
MANUAL_STAND = replace(
    RIG,
    camera=replace(
        CAMERA,
        em_gain=None,
        em_gain_limits=None,
        em_switch=None,
        temperature_c=None,
        temperature_set_point_c=None,
        readout=None,
        readouts=(),
        binnings=(),
    ),
    groups={},
    xy_um=None,
    z_um=None,
    limits=None,
    shutter_open=None,
    auto_shutter=None,
    pixel_size_um=0.0,
)
EXPOSURE, GAIN, BINNING, READOUT = "Exposure in milliseconds", "Electron-multiplying gain", "Binning", "Read-out mode"
SET_POINT = "Set point of the sensor temperature in degrees Celsius"
REGION = [f"{edge} of the region in pixels" for edge in ("Left edge", "Top edge", "Width", "Height")]
PROPERTIES = (
    DeviceProperty("Camera", "Binning", "1", False, False, ("1", "2", "4", "8"), None, "integer"),
    DeviceProperty("Camera", "CCDTemperature RO", "-69.8", True, False, (), None, "number"),
    DeviceProperty("Camera", "Exposure", "20.00", False, False, (), (0.0, 10000.0), "number"),
    DeviceProperty("Camera", "MaximumExposureMs", "10000", False, True, (), None, "number"),
    DeviceProperty("Camera", "VerticalSpeed (microseconds)", "0.6", False, False, (), None, "text"),
    DeviceProperty("Objective", "Label", "20x", False, False, ("10x", "20x"), None, "text"),
    DeviceProperty("White Light Shutter", "Description", "Demo shutter driver adapter", True, False, (), None, "text"),
)


def number(panel: QWidget, name: str) -> NumberField:
    return find(panel, NumberField, name)


def choice(panel: QWidget, name: str) -> ChoiceField:
    return find(panel, ChoiceField, name)


def value(panel: QWidget, name: str) -> str:
    """Return a value that is shown."""
    return find(panel, ValueLabel, name).text()


def line(panel: QWidget, name: str) -> SignedLine:
    return find(panel, SignedLine, name)


def button(panel: QWidget, name: str) -> QAbstractButton:
    return find(panel, QAbstractButton, name)


def goal(panel: QWidget, axis: str) -> NumberField:
    return number(panel, f"Where to go in {axis}, in micrometres")


def result(seq: int, logits: np.ndarray, flags: np.ndarray) -> FrameResult:
    """Return what the analysis would make of 16 tiles."""
    flags = np.asarray(flags, np.uint8)
    logits = np.where(flags == 0, logits, np.nan).astype(np.float32)
    outcome = "classified" if (flags == 0).any() else "excluded"
    return FrameResult(seq, outcome, logits, calibrate(logits, 1.0), flags, "torchscript", {"total": 40.0})


def section(
    n: int = 40, mean: float = 1.6, sampling: Sampling = "random", empty: tuple[int, ...] = (3, 9, 11)
) -> tuple[SectionScore, np.ndarray]:
    """Return the score of a section of `n` fields, and its course (k, 4)."""
    rng = np.random.default_rng(7)
    scorer = SectionScorer(0.5, 1.0, sampling)
    course = []
    for seq in range(n):
        flags = (rng.random(16) < 0.15).astype(np.uint8) | (2 * (rng.random(16) < 0.05)).astype(np.uint8)
        if seq in empty:
            flags[:] = 1
        scorer.add(result(seq, rng.normal(mean, 0.8, 16), flags))
        score = scorer.score()
        if score.score is not None:
            course.append((score.frames, score.score, *score.interval))
    return scorer.score(), np.array(course).reshape(-1, 4)


def snapshot(score: SectionScore, counts: Counts, **changes: object) -> Snapshot:
    """Return a snapshot of a running section."""
    values: dict[str, Any] = {
        "phase": "running",
        "counts": counts,
        "score": score,
        "expected_frames": 60,
        "elapsed_s": 30.0,
        "eta_s": 82.0,
        "acquire_fps": 12.4,
        "store_fps": 12.3,
        "classify_fps": 9.8,
        "store_queue_fill": 0.12,
        "analyse_queue_fill": 0.4,
        "latest": None,
        "latest_result": None,
        "degraded": None,
        "message": "",
    }
    return Snapshot(**values | changes)


COUNTS = Counts(acquired=46, stored=46, classified=37, excluded=3, failed=0, deferred=4, pending=2)
