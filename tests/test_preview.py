"""The live picture on Micro-Manager's real demo camera."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.errors import CameraError
from hcc_scope.microscope import stall
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.phantom_scene import PhantomScene
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.microscope.preview import Preview
from hcc_scope.phantom import Specimen
from hcc_scope.plans import PositionList, Sequence
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.workers import StopToken, guard
from tests.faulty_core import FaultyCore
from tests.session_parts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hcc_scope.types import Frame

ROLES = load_rig("demo").roles


@pytest.fixture
def rig(demo_cfg: Callable[..., Path], adapters_dir: Path) -> Iterator[MicroManager]:
    cfg = demo_cfg(OnCameraCCDXSize=64, OnCameraCCDYSize=48, FastImage=0)
    with MicroManager.start(cfg, adapters_dir=adapters_dir, buffer_size_mb=1, roles=ROLES) as opened:
        yield opened


def first(preview: Preview) -> Frame:
    wait_until(lambda: preview.latest() is not None)
    frame = preview.latest()
    assert frame is not None
    return frame


def test_the_newest_picture_comes_again_and_again(rig: MicroManager):
    preview = Preview(rig)
    assert preview.latest() is None
    preview.start(exposure_ms=2.0)
    frame = first(preview)
    assert (frame.pixels.shape, frame.exposure_ms, frame.pixel_size_um) == ((48, 64), 2.0, 0.325)
    assert frame.pixels.flags.owndata
    assert not frame.pixels.flags.writeable
    wait_until(lambda: (now := preview.latest()) is not None and now.seq > frame.seq + 3)
    preview.start()  # it runs already
    preview.stop()
    preview.stop()
    last = preview.latest()
    assert last is not None
    assert not rig.backend.core.is_sequence_running()
    time.sleep(0.1)
    assert preview.latest() is last
    preview.start()
    wait_until(lambda: preview.latest() is not last)
    preview.stop()


def test_a_buffer_that_is_never_emptied_does_not_overflow(rig: MicroManager):
    """1 MiB holds 170 of these frames, which are through in a fifth of a second."""
    preview = Preview(rig)
    preview.start(exposure_ms=1.0)
    frame = first(preview)
    time.sleep(0.6)
    assert preview.error is None
    assert rig.backend.core.is_sequence_running()
    wait_until(lambda: (now := preview.latest()) is not None and now.t_mono_ns > frame.t_mono_ns + 500_000_000)
    preview.stop()
    # and the mode for data is what it was
    plan = Sequence(n_frames=300, exposure_ms=0.5)
    frames = list(MicroManagerSource(rig, plan, animal_id="m1", section_id="s1").frames(StopToken()))
    assert [f.camera_frame for f in frames] == list(range(300))


def test_a_section_ends_the_preview_and_lets_none_begin(rig: MicroManager):
    preview = Preview(rig)
    preview.start()
    first(preview)
    source = MicroManagerSource(rig, PositionList(positions_um=[(0, 0)] * 3), animal_id="m1", section_id="s1")
    assert not preview.running
    preview.start()
    frames = source.frames(StopToken())
    assert next(frames).seq == 0
    assert not preview.running
    for act in (preview.start, preview.snap):
        with pytest.raises(CameraError, match="a section is being acquired, which the preview would disturb"):
            act()
    assert [frame.seq for frame in frames] == [1, 2]
    preview.start()
    preview.stop()


def test_one_preview_and_one_section_at_a_time(rig: MicroManager):
    one, other = Preview(rig), Preview(rig)
    one.start()
    with pytest.raises(CameraError, match="shown already"):
        other.start()
    one.stop()
    plan = PositionList(positions_um=[(0, 0)] * 2)
    sources = [MicroManagerSource(rig, plan, animal_id="m1", section_id=name) for name in ("s1", "s2")]
    frames = sources[0].frames(StopToken())
    next(frames)
    with pytest.raises(CameraError, match="a section is being acquired with this camera"):
        next(iter(sources[1].frames(StopToken())))
    assert len(list(frames)) == 1


def test_a_section_that_begins_while_the_preview_starts_waits_and_ends_it(rig: MicroManager):
    """The camera must not be started for a preview after the section has the buffer in its own mode."""
    source = MicroManagerSource(rig, Sequence(n_frames=50, exposure_ms=1), animal_id="m1", section_id="s1")
    for _ in range(10):
        preview = Preview(rig)
        thread = threading.Thread(target=lambda preview=preview: guard("start", preview.start, lambda *_: None))
        thread.start()
        assert len(list(source.frames(StopToken()))) == 50
        thread.join()
        preview.stop()


def test_a_snap_alone_and_during_a_preview(rig: MicroManager):
    preview = Preview(rig)
    frame = preview.snap()
    assert frame.pixels.shape == (48, 64)
    assert preview.latest() is frame
    preview.start()
    seq = preview.snap().seq
    wait_until(lambda: (now := preview.latest()) is not None and now.seq > seq + 2)
    assert rig.backend.core.is_sequence_running()
    preview.stop()


def test_a_camera_that_stops_by_itself_is_reported(rig: MicroManager):
    preview = Preview(rig)
    preview.start()
    first(preview)
    rig.backend.core.stop_sequence_acquisition()
    wait_until(lambda: not preview.running)
    assert str(preview.error) == "camera 'Camera' stopped by itself during the preview"
    preview.start()
    assert preview.error is None
    preview.stop()


def test_a_picture_that_stands_still_is_no_live_picture(rig: MicroManager, monkeypatch: pytest.MonkeyPatch):
    core = rig.backend.core
    preview = Preview(rig)
    preview.start(exposure_ms=2.0)
    old = first(preview).pixels
    monkeypatch.setattr(stall, "MARGIN_S", 0.2)
    FaultyCore(rig, get_remaining_image_count=lambda _real: 3, get_last_image=lambda _real: old)
    wait_until(lambda: not preview.running)
    rig.backend.core = core
    assert isinstance(preview.error, CameraError)
    assert preview.error.message.startswith("camera 'Camera' delivered no picture within 0.")
    assert preview.error.message.endswith("(last state: sequence running, 3 images in its buffer, exposure 2 ms)")
    preview.stop()
    assert not core.is_sequence_running()


def test_pictures_that_are_alike_are_live_while_they_come(rig: MicroManager):
    core = rig.backend.core
    preview = Preview(rig)
    preview.start(exposure_ms=2.0)
    dark = np.zeros_like(first(preview).pixels)
    looks: list[float] = []

    def spent_s() -> float:
        looks.append(10.0 ** min(len(looks), 300))  # far beyond the limit that follows from the one before
        return looks[-1]

    preview._silent = SimpleNamespace(spent_s=spent_s, restart=lambda: None)  # type: ignore[assignment]
    FaultyCore(rig, get_remaining_image_count=lambda _real: len(looks) + 1, get_last_image=lambda _real: dark)
    wait_until(lambda: len(looks) > 20 or not preview.running)
    assert preview.running
    rig.backend.core = core
    preview.stop()


def test_a_buffer_that_the_camera_empties_before_it_overwrites_it_is_no_fault(rig: MicroManager):
    """Seen on the demo camera: about once in 2000 times that its buffer was full."""
    core, backend = rig.backend.core, rig.backend
    looks: list[str] = []

    def just_emptied(real: Callable[..., object], *arguments: object) -> object:
        looks.append("")
        if len(looks) % 3:  # twice in a row: an image comes between the error and the question how many there are
            raise RuntimeError("Circular buffer is empty.")
        return real(*arguments)

    rig.thread.call("starting", rig.camera.start_overwriting)
    wait_until(lambda: core.get_remaining_image_count() > 0)
    FaultyCore(rig, get_last_image=just_emptied, get_last_image_md=just_emptied)
    assert backend.last() is not None
    newest = backend.newest()
    assert newest is not None
    assert "ImageNumber" in newest[1]
    looks.clear()
    rig.backend.core = core
    FaultyCore(rig, get_remaining_image_count=lambda _real: 0, get_last_image=just_emptied)
    assert backend.last() is None
    rig.backend.core = core
    rig.thread.call("stopping", rig.camera.stop)


def test_a_camera_that_refuses_leaves_no_preview(rig: MicroManager):
    preview = Preview(rig)
    rig.backend.core.unload_device("Camera")
    with pytest.raises(CameraError, match="names no camera"):
        preview.start()
    assert not preview.running
    assert rig.use.state == "free"


def test_closing_the_rig_ends_the_preview(rig: MicroManager):
    preview = Preview(rig)
    preview.start()
    first(preview)
    rig.close()
    assert not preview.running


def test_a_picture_needs_no_pixel_size_but_grey_pixels(rig: MicroManager):
    preview = Preview(rig)
    rig.backend.core.set_property("Objective", "Label", "Objective-2")
    preview.start()
    assert first(preview).pixel_size_um == 0
    preview.stop()
    rig.backend.core.set_property("Camera", "PixelType", "32bitRGB")
    with pytest.raises(CameraError, match="delivers colour images"):
        preview.start()


def test_the_demo_shows_its_phantom(rig: MicroManager):
    preview = Preview(rig, PhantomScene(Specimen(1, "m1", "s1", "high", day="t")))
    preview.start(exposure_ms=10.0)
    pixels = first(preview).pixels
    assert pixels.mean() > 1000  # the test pattern of the demo camera is not that bright
    preview.stop()
