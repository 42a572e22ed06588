"""The exposure helper on sensors of known offset and slope, and what is said of a warm or saturated sensor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import CameraError, DeviceError
from hcc_scope.microscope.auto_exposure import LONGEST_MS, TOP_LEVEL, Reading, auto_exposure, find_exposure
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.microscope.preview import Preview
from hcc_scope.microscope.sensor_care import COOLER_TOLERANCE_C, ageing_concern, cooler_concern
from hcc_scope.phantom import Specimen
from hcc_scope.runs.rigs import open_rig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Sensor:
    """A linear sensor that clips, with a scene whose brightest places are `contrast` times its mean."""

    def __init__(self, offset: float, per_ms: float, contrast: float = 1.2, step_ms: float = 0.0) -> None:
        self._offset, self._per_ms, self._contrast, self._step_ms = offset, per_ms, contrast, step_ms
        self.asked: list[float] = []

    def __call__(self, exposure_ms: float) -> Reading:
        self.asked.append(exposure_ms)
        if self._step_ms:  # a camera that rounds to its lines
            exposure_ms = max(1, round(exposure_ms / self._step_ms)) * self._step_ms
        light = self._per_ms * exposure_ms
        level, top = self._offset + light, self._offset + self._contrast * light
        clipped = 0.0 if top < 1 else 0.02 if level < 1 else 1.0
        return Reading(exposure_ms, min(1.0, level), min(1.0, top), clipped)


@settings(max_examples=100)
@given(
    offset=st.floats(0, 0.2),
    needed_ms=st.floats(1, 1000),
    start_ms=st.floats(0.1, 2000),
    contrast=st.floats(1.0, 3.0),
    span=st.none() | st.tuples(st.floats(0.01, 20), st.floats(21, 5000)),
    target=st.floats(0.25, 0.7),
)
def test_the_level_is_reached_or_the_reason_is_said_and_no_limit_is_left(
    offset: float,
    needed_ms: float,
    start_ms: float,
    contrast: float,
    span: tuple[float, float] | None,
    target: float,
):
    per_ms = (target - offset) / needed_ms
    sensor = Sensor(offset, per_ms, contrast)
    try:
        found = find_exposure(sensor, start_ms, span, target)
    except CameraError as error:
        assert "saturated even at" in error.message or "does not become brighter" in error.message  # noqa: PT017
        assert span is not None
        found = None
    low, high = (0.0, max(start_ms, LONGEST_MS)) if span is None else span
    assert all(low * (1 - 1e-9) <= asked <= high * (1 + 1e-9) for asked in sensor.asked)
    assert len(sensor.asked) < 40
    if found is None:
        return
    assert not found.readings[-1].is_clipped
    assert found.exposure_ms == sensor.asked[-1]  # what is set is what was looked at
    top_ms = (TOP_LEVEL - offset) / (per_ms * contrast)
    best = min(max(min(needed_ms, top_ms), low), high)
    if best == needed_ms:
        assert found.outcome == "reached"
        assert found.level == pytest.approx(target, rel=0.051)
    else:
        assert found.exposure_ms == pytest.approx(best, rel=0.06)
        assert found.outcome == "reached" or found.reason


def test_a_bright_scene_is_halved_until_it_no_longer_clips():
    sensor = Sensor(0.01, 0.05)
    found = find_exposure(sensor, 320.0)
    assert sensor.asked[:6] == [320, 160, 80, 40, 20, 10]
    assert found.exposure_ms == pytest.approx(9.8)
    assert found.sentence() == "Exposure 9.8 ms, mean level 50 % of full scale."


def test_a_camera_that_rounds_is_followed_as_it_reads_back():
    found = find_exposure(Sensor(0.05, 0.03, step_ms=4.0), 10.0)
    assert found.exposure_ms == 16.0
    assert found.reason == "the camera takes 16 ms for the 15 ms that are needed"


@pytest.mark.parametrize(
    ("sensor", "span", "words"),
    [
        (Sensor(0.02, 0.0), (1.0, 100.0), "does not become brighter with the exposure: its mean level is 2.0 %"),
        (Sensor(0.3, 5.0), (1.0, 100.0), "saturated even at an exposure of 1 ms"),
        (Sensor(0.3, 0.01), (10.0, 10.0), "does not become brighter"),
    ],
)
def test_where_it_cannot_the_reason_is_said(sensor: Sensor, span: tuple[float, float], words: str):
    with pytest.raises(CameraError, match=words):
        find_exposure(sensor, 10.0, span)


def test_limits_and_clipping_are_named():
    assert "100 ms is the longest exposure" in find_exposure(Sensor(0.01, 1e-4), 10.0, (1.0, 100.0)).reason
    assert "6 ms is the shortest exposure" in find_exposure(Sensor(0.01, 0.1, 1.0), 10.0, (6.0, 100.0)).reason
    assert "would clip the brightest places" in find_exposure(Sensor(0.1, 0.04, 3.0), 10.0).reason
    with pytest.raises(CameraError, match="no share of full scale"):
        find_exposure(Sensor(0.1, 0.1), 10.0, target=1.2)


def test_on_the_demo_camera_the_phantom_comes_to_the_wanted_level(
    demo_cfg: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    cfg = demo_cfg(OnCameraCCDXSize=128, OnCameraCCDYSize=128)
    rig_file = cfg.with_name("small.rig.yaml")
    rig_file.write_text(f"config: {cfg.name}\nbuffer_size_mb: 64\nlimits: {{exposure_ms: [0.5, 90]}}\n")
    with open_rig(rig_file) as rig:
        microscope = rig.microscope
        preview = Preview(microscope, PhantomScene(Specimen(1, "M7", "S1", "high")))
        controls = DeviceControls(microscope)
        controls.set_exposure_ms(80.0)
        found = auto_exposure(microscope, controls, preview, 0.4)
        assert found.outcome == "reached"
        assert found.readings[0].is_clipped
        frame = preview.snap()
        assert frame.pixels.mean() / 65535 == pytest.approx(0.4, rel=0.05)
        assert frame.exposure_ms == pytest.approx(found.exposure_ms)
        dark = Preview(microscope)  # the demo camera's own pattern does not answer to the exposure
        with pytest.raises(CameraError, match="does not become brighter"):
            auto_exposure(microscope, controls, dark, 0.4)
        assert controls.read().camera.exposure_ms == pytest.approx(found.exposure_ms)  # as before
        ask = microscope.backend.ask

        def rounding(what: str, name: str, *values: object) -> object:  # a camera that counts in steps of 4 ms
            if name == "set_exposure":
                values = (math.ceil(float(str(values[0])) / 4) * 4.0,)
            return ask(what, name, *values)

        monkeypatch.setattr(microscope.backend, "ask", rounding)
        coarse = auto_exposure(microscope, controls, preview, 0.4)
        assert coarse.exposure_ms == math.ceil(found.exposure_ms / 4) * 4
        with pytest.raises(DeviceError, match="92 ms is beyond the rig file's limits"):
            controls.set_exposure_ms(89.0, nearest=True)
        with pytest.raises(DeviceError, match="gives an exposure of 28 ms, not 25 ms"):
            controls.set_exposure_ms(25.0)


# --- care of the sensor ---


def test_a_warm_sensor_is_reported_with_both_temperatures():
    assert cooler_concern(-20.0, -70.0) == "the sensor is at -20.0 °C, 50.0 °C above its set point of -70.0 °C"
    assert "below its set point" in str(cooler_concern(-80.0, -70.0))
    assert cooler_concern(-70.0 + COOLER_TOLERANCE_C, -70.0) is None
    assert cooler_concern(None, -70.0) is None
    assert cooler_concern(-70.0, None) is None


def test_saturation_with_em_gain_is_reported_and_without_it_is_not():
    pixels = np.full((64, 64), 1000, dtype=np.uint16)
    pixels[:32] = 2**14 - 1
    assert "saturated with an EM gain of 300, which ages the sensor" in str(ageing_concern(pixels, 14, 300.0))
    assert ageing_concern(pixels, 14, 1.0) is None
    assert ageing_concern(pixels, 14, None) is None
    assert ageing_concern(pixels, 16, 300.0) is None
