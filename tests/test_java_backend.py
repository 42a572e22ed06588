"""The Java side of the seam, against a stand-in that answers as MMCoreJ does over pycromanager's bridge.

No running Micro-Manager was available: what is tested here is our half of the contract.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from hcc_scope.errors import CameraError, ConfigError, DeviceError, UsageError
from hcc_scope.microscope import stall
from hcc_scope.microscope.backend import JavaBackend, first_line, own_pixels
from hcc_scope.microscope.core_thread import CoreThread
from hcc_scope.microscope.hardware import Hardware
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import PositionList, Sequence
from hcc_scope.runs.rigs import OpenRig, attach_rig
from hcc_scope.types import RigRoles
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEIGHT, WIDTH = 6, 8


class StrVector:
    """A list of strings as Java hands it over."""

    def __init__(self, *values: str | float) -> None:
        self._values = values

    def size(self) -> int:
        return len(self._values)

    def get(self, i: int) -> str | float:
        return self._values[i]


class StandInCore:
    """What a running Micro-Manager answers: flat signed pixels, typed tags, Java's own words for an error."""

    def __init__(self) -> None:
        self.xy = (0.0, 0.0)
        self.waiting: list[int] = []
        self.running = False
        self.silent = False

    def _image(self, number: int) -> SimpleNamespace:
        pixels = np.full(HEIGHT * WIDTH, 40_000 + number, dtype=np.uint16)
        pixels[0] = 7
        tags = {"Height": HEIGHT, "Width": WIDTH, "ImageNumber": number, "PixelType": "GRAY16"}
        return SimpleNamespace(pix=pixels.view(np.int16), tags=tags)

    def get_camera_device(self) -> str:
        return "Cam"

    def get_xy_stage_device(self) -> str:
        return "XY"

    def get_focus_device(self) -> str:
        return ""

    def get_loaded_devices(self) -> StrVector:
        return StrVector("Cam", "XY", "Turret", "Core")

    def get_device_library(self, label: str) -> str:
        return {"Cam": "Andor"}[label]

    def get_image_width(self) -> int:
        return WIDTH

    def get_image_height(self) -> int:
        return HEIGHT

    def get_number_of_components(self) -> int:
        return 1

    def get_bytes_per_pixel(self) -> int:
        return 2

    def get_image_bit_depth(self) -> int:
        return 16

    def get_number_of_camera_channels(self) -> int:
        return 1

    def get_available_pixel_size_configs(self) -> StrVector:
        return StrVector("R20")

    def get_pixel_size_config_data(self, preset: str) -> SimpleNamespace:
        names = {"device_label": "Turret", "property_name": "Label", "property_value": "20x"}
        setting = SimpleNamespace(**{f"get_{name}": lambda value=value: value for name, value in names.items()})
        return SimpleNamespace(size=lambda: 1, get_setting=lambda i: [setting][i])

    def get_pixel_size_um_by_id(self, preset: str) -> float:
        return 0.25

    def get_pixel_size_affine_by_id(self, preset: str) -> StrVector:
        return StrVector(0.0, -0.25, 0.0, 0.25, 0.0, 0.0)

    def get_magnification_factor(self) -> float:
        return 1.0

    def has_property(self, label: str, name: str) -> bool:
        return (label, name) in (("Turret", "Label"), ("Cam", "Binning"))

    def get_property(self, label: str, name: str) -> str:
        return {"Label": "20x", "Binning": "2x2"}[name]

    def get_exposure(self) -> float:
        return 1.0

    def get_state_label(self, label: str) -> str:
        return {"Turret": "20x"}[label]

    def set_xy_position(self, label: str, x_um: float, y_um: float) -> None:
        if x_um > 100:
            raise Exception('java.lang.Exception: Error in device "XY": stalled (10)\n\tat mmcorej.CMMCore')  # noqa: TRY002 - pyjavaz raises just this
        self.xy = (x_um, y_um)

    def device_busy(self, label: str) -> bool:
        return False

    def get_x_position(self, label: str) -> float:
        return self.xy[0]

    def get_y_position(self, label: str) -> float:
        return self.xy[1]

    def snap_image(self) -> None:
        pass

    def get_tagged_image(self) -> SimpleNamespace:
        return self._image(0)

    def start_sequence_acquisition(self, n: int, interval_ms: float, stop_on_overflow: bool) -> None:
        self.running = True
        self.waiting = [] if self.silent else list(range(n))

    def stop_sequence_acquisition(self) -> None:
        self.running = False

    def is_sequence_running(self) -> bool:
        return self.running

    def is_buffer_overflowed(self) -> bool:
        return False

    def get_remaining_image_count(self) -> int:
        return len(self.waiting)

    def pop_next_tagged_image(self) -> SimpleNamespace:
        return self._image(self.waiting.pop(0))

    def get_last_tagged_image(self) -> SimpleNamespace:
        return self._image(self.waiting[-1])

    def get_roi(self) -> SimpleNamespace:  # java.awt.Rectangle answers in doubles
        return SimpleNamespace(
            get_x=lambda: 2.0, get_y=lambda: 1.0, get_width=lambda: float(WIDTH), get_height=lambda: float(HEIGHT)
        )

    def get_device_type(self, label: str) -> SimpleNamespace:
        return SimpleNamespace(swig_value=lambda: {"Cam": 2, "XY": 6, "Turret": 4, "Core": 9}[label])

    def get_property_type(self, label: str, name: str) -> SimpleNamespace:
        return SimpleNamespace(swig_value=lambda: {"Mode": 1}.get(name, 3))


@pytest.fixture
def rig() -> Iterator[MicroManager]:
    backend = JavaBackend(StandInCore())
    with MicroManager(
        CoreThread(),
        backend,
        Hardware(backend, RigRoles(objective="Turret"), None, None),
        limits=None,
        rig_sha256=None,
        versions={},
        on_close=lambda: None,
    ) as opened:
        yield opened


def source(rig: MicroManager, plan: PositionList | Sequence) -> MicroManagerSource:
    return MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")


def test_flat_signed_pixels_become_an_image(rig: MicroManager):
    frames = list(source(rig, PositionList(positions_um=[(1, 2), (3, 4)])).frames(StopToken()))
    assert [frame.stage_um for frame in frames] == [(1.0, 2.0, None), (3.0, 4.0, None)]
    pixels = frames[0].pixels
    assert (pixels.shape, pixels.dtype) == ((HEIGHT, WIDTH), np.uint16)
    assert (pixels[0, 0], pixels[0, 1]) == (7, 40_000)
    assert pixels.flags.owndata
    assert not pixels.flags.writeable
    assert frames[0].objective == "20x"


def test_a_sequence_over_the_bridge(rig: MicroManager):
    frames = list(source(rig, Sequence(n_frames=3)).frames(StopToken()))
    assert [(frame.camera_frame, int(frame.pixels[5, 5])) for frame in frames] == [
        (0, 40_000),
        (1, 40_001),
        (2, 40_002),
    ]
    assert not rig.backend.core.running


def test_javas_words_are_kept_without_its_trace(rig: MicroManager):
    with pytest.raises(DeviceError) as error:
        list(source(rig, PositionList(positions_um=[(101, 0)])).frames(StopToken()))
    assert error.value.message == "moving stage 'XY' to x = 101, y = 0 um failed: Error in device \"XY\": stalled (10)"
    assert "stage_limits_um" in str(error.value.hint)
    assert first_line(RuntimeError()) == "RuntimeError"


def test_a_sequence_that_delivers_nothing_in_time(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stall, "MARGIN_S", 0.2)
    rig.backend.core.silent = True
    with pytest.raises(
        CameraError,
        match=r"camera 'Cam' delivered no frame within 0\.\d s \(last state: sequence running, 0 images in its buffer,",
    ):
        list(source(rig, Sequence(n_frames=3)).frames(StopToken()))
    assert not rig.backend.core.running


class CoreWithRoles(StandInCore):
    """A stand-in whose camera has a gain, a temperature that is measured, and a mode that is a word."""

    PROPERTIES: ClassVar = {
        ("Cam", "Gain"): "5",
        ("Cam", "Mode"): "Fast",
        ("Cam", "Temperature"): "-70",
        ("Cam", "Binning"): "1",
        ("Turret", "Label"): "20x",
    }

    def has_property(self, label: str, name: str) -> bool:
        return (label, name) in self.PROPERTIES

    def get_device_property_names(self, label: str) -> StrVector:
        return StrVector("Gain", "Mode", "Temperature")

    def is_property_read_only(self, label: str, name: str) -> bool:
        return name == "Temperature"

    def get_allowed_property_values(self, label: str, name: str) -> StrVector:
        return StrVector("Fast", "Slow") if name == "Mode" else StrVector()

    def get_property(self, label: str, name: str) -> str:
        return self.PROPERTIES[label, name]

    def has_property_limits(self, label: str, name: str) -> bool:
        return False

    def is_property_pre_init(self, label: str, name: str) -> bool:
        return False


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ("em_gain: Gian", "3: the rig file's role em_gain names the property 'Gian', .* Did you mean 'Gain'?"),
        ("temperature: Mode", "3: .* names the property 'Mode' of camera 'Cam', which holds a text"),
        ("temperature_set_point: Temperature", "3: .* 'Temperature' of camera 'Cam', which can only be read"),
        ("objective: XY", "3: .* the device 'XY', which is no turret. Name a device with positions: Turret"),
    ],
)
def test_roles_are_checked_over_the_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, roles: str, message: str):
    rig_file = tmp_path / "x.rig.yaml"
    rig_file.write_text(f"config: a.cfg\nroles:\n  {roles}\n")

    def attach(*, roles: RigRoles, **_: object) -> None:
        Hardware(JavaBackend(CoreWithRoles()), roles, None, None)

    monkeypatch.setattr(MicroManager, "attach", attach)
    with (
        pytest.raises(ConfigError, match=rf"x\.rig\.yaml:{message}.*Device Property Browser"),
        attach_rig(1, str(rig_file)),
    ):
        pass


def test_properties_are_checked_over_the_bridge(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rig.backend, "core", CoreWithRoles())
    with pytest.raises(UsageError, match="'Cam,Gain' is not DEVICE,PROPERTY,VALUE"):
        OpenRig(rig).set_properties(["Cam,Mode,Fast", "Cam,Gain"])
    with pytest.raises(DeviceError, match="'Temperature' of 'Cam' can only be read"):
        OpenRig(rig).set_properties(["Cam,Temperature,5"])


def test_an_error_on_closing_does_not_hide_the_first_one(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    def broken() -> bool:
        raise RuntimeError("gone")

    monkeypatch.setattr(rig.backend.core, "is_sequence_running", broken)
    with pytest.raises(KeyError) as error, rig:
        raise KeyError("first")
    assert error.value.__notes__ == ["then, closing Micro-Manager: closing failed: gone"]


def test_an_image_of_another_shape_is_refused(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    colour = SimpleNamespace(pix=np.zeros(4 * HEIGHT * WIDTH, np.uint8), tags={"Height": HEIGHT, "Width": WIDTH})
    monkeypatch.setattr(rig.backend.core, "get_tagged_image", lambda: colour)
    with pytest.raises(CameraError, match="delivered 192 values for 8 x 6 pixels"):
        list(source(rig, PositionList(positions_um=[(0, 0)])).frames(StopToken()))


def test_a_camera_without_an_image_size_is_refused(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rig.backend.core, "get_image_width", lambda: 0)
    with pytest.raises(CameraError, match=r"camera 'Cam' has no image size \(0 x 6 pixels\)"):
        source(rig, Sequence(n_frames=1))


def test_a_bug_of_ours_is_not_called_a_devices_fault(rig: MicroManager):
    with pytest.raises(AttributeError):
        rig.backend.ask("asking", "no_such_method")


_ATTACH = """
import sys, threading
from hcc_scope.errors import DeviceError
from hcc_scope.microscope.micromanager import MicroManager

before = threading.excepthook
for port in sys.argv[1:]:
    try:
        MicroManager.attach(port=int(port))
    except DeviceError as error:
        print(error)
    assert threading.excepthook is before
"""


def test_attaching_without_a_partner_is_reported_in_one_sentence():
    with socket.socket() as closed, socket.socket() as silent:
        for server in (closed, silent):
            server.bind(("127.0.0.1", 0))
        silent.listen()
        ports = [str(server.getsockname()[1]) for server in (closed, silent)]
        # In a process of its own: pycromanager attaches only where no core was started.
        done = subprocess.run(
            [sys.executable, "-c", _ATTACH, *ports], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    for port, line in zip(ports, done.stdout.splitlines(), strict=True):
        assert line.startswith(f"no Micro-Manager answers on port {port} of this machine. Start it")


def test_pixels_are_taken_over_or_widened():
    owned = np.ones((3, 4), np.uint16)
    assert np.shares_memory(own_pixels(owned, 16), owned)
    borrowed = np.ones((6, 4), np.uint16)[::2]
    kept = own_pixels(borrowed, 16)
    assert not np.shares_memory(kept, borrowed)
    assert kept.flags.c_contiguous
    assert own_pixels(np.full((2, 2), 255, np.uint8), 8).tolist() == [[255, 255], [255, 255]]
    for dtype in (np.float32, np.uint32):
        with pytest.raises(CameraError, match="32 bits a pixel"):
            own_pixels(np.ones((2, 2), dtype), 32)


def test_the_bridge_brings_what_controls_and_preview_need(rig: MicroManager):
    backend = rig.backend
    assert backend.roi() == (2, 1, WIDTH, HEIGHT)
    assert backend.number("get_property_type", "Cam", "Gain") == 3
    backend.core.waiting = [4, 5]
    pixels = backend.last()
    assert pixels is not None
    assert (pixels.shape, pixels.dtype, pixels[1, 1]) == ((HEIGHT, WIDTH), np.uint16, 40_005)
    assert backend.core.waiting == [4, 5]  # it stays in the buffer


def test_the_newest_image_is_looked_at_once(rig: MicroManager):
    core = rig.backend.core
    core.running, core.waiting = True, [4, 5]

    def newest(wait_s: float) -> float | None:
        shot = rig.thread.call("looking", lambda: rig.camera.newest(wait_s))
        return None if shot is None else float(shot.pixels[1, 1])

    assert newest(0.0) == 40_005
    assert newest(0.02) is None
    core.waiting = [5, 6]  # a full buffer that holds as many as before
    assert newest(5.0) == 40_006
    core.running, core.waiting = False, [5, 6, 7]
    assert newest(5.0) == 40_007
    assert newest(5.0) is None  # none to come
