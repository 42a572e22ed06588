"""What is examined: the rig, the model and the folder for sections, each opened when a check first needs it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hcc_scope.clocks import RunClock
from hcc_scope.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.microscope.device_controls import DeviceControls, RigState
    from hcc_scope.microscope.hardware import CameraFacts
    from hcc_scope.rig.rigfile import Rig
    from hcc_scope.runs.rigs import CheckedRig, OpenRig
    from hcc_scope.runs.scoring_model import ScoringModel

__all__ = ["DEFAULT_SECONDS", "Options", "Picture", "Subject"]

DEFAULT_SECONDS = 20.0
"""How long the whole pipeline is measured."""
_DEFAULT_SHAPE_YX = (2048, 2048)
"""Of a frame, where no camera states its own."""
_SNAP_MARGIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asked for. All of it travels to the process of the checks as JSON."""

    out_dir: str = "."
    """Where sections would be stored."""
    rig: str | None = None
    """A rig file, a .cfg, or the name of a shipped rig; None: the computer alone."""
    adapters_dir: str | None = None
    move: bool = False
    """Whether stage and focus may be moved a little, and back."""
    model: str = "phantom-meng2019"
    engine: str = "auto"
    seconds: float = DEFAULT_SECONDS
    scratch_dir: str | None = None
    """An empty folder on the disk of `out_dir`, which the caller removes."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Options:
        """Return what `as_json` made."""
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Picture:
    """One exposure."""

    pixels: NDArray[np.uint16]
    """(y, x) counts."""
    seconds: float
    """From the order until it was here."""


class Subject:
    """Opens what the checks need, once, and lets it go at the end. A context manager.

    What cannot be opened raises its own error, each time it is asked for.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.clock = RunClock()
        """Began with the examination."""
        self.state_before: RigState | None = None
        """The devices as they were found."""
        self.snap_s: float | None = None
        """How long one exposure takes, all in all; None before one was taken."""
        self.signal_counts: float | None = None
        """Mean counts by light, as far as another exposure has shown them; None: no light was seen."""
        self._stack = ExitStack()

    @property
    def out_dir(self) -> Path:
        """Where sections would be stored."""
        return Path(self.options.out_dir)

    @cached_property
    def checked_rig(self) -> CheckedRig:
        """The rig's files, judged. Raises `RigError`s."""
        from hcc_scope.runs.rigs import check_rig

        assert self.options.rig is not None  # checks of the rig are left out without one
        return check_rig(self.options.rig, adapters_dir=self._adapters_dir)

    @cached_property
    def rig_file(self) -> Rig | None:
        """The rig's file, filled in; None without one, or if it cannot be used: 'Configuration' then states why."""
        from hcc_scope.rig.rigfile import load_rig

        if self.options.rig is None:
            return None
        try:
            found = load_rig(self.options.rig)
            found.need_filled_in()
        except ConfigError:
            return None
        return found

    @property
    def _adapters_dir(self) -> Path | None:
        return None if self.options.adapters_dir is None else Path(self.options.adapters_dir)

    @cached_property
    def rig(self) -> OpenRig:
        """The rig with its devices loaded. Raises `RigError`s."""
        from hcc_scope.runs.rigs import open_rig

        assert self.options.rig is not None
        opened = self._stack.enter_context(open_rig(self.options.rig, adapters_dir=self._adapters_dir))
        self.state_before = self._controls_of(opened).read()
        return opened

    @cached_property
    def controls(self) -> DeviceControls:
        """The actions of the open rig."""
        return self._controls_of(self.rig)

    @staticmethod
    def _controls_of(rig: OpenRig) -> DeviceControls:
        from hcc_scope.microscope.device_controls import DeviceControls

        return DeviceControls(rig.microscope)

    @cached_property
    def camera(self) -> CameraFacts:
        """What the camera delivers. Raises `RigError`s."""
        return self.rig.microscope.facts()

    @cached_property
    def scoring_model(self) -> ScoringModel:
        """The model on its engine; `engine_notes` then holds how that was chosen. Raises `ModelError`s."""
        from hcc_scope.runs.scoring_model import load_scoring_model

        return load_scoring_model(self.options.model, self.options.engine, self.engine_notes.append)

    @cached_property
    def engine_notes(self) -> list[str]:
        """Sentences on the choice of the engine."""
        return []

    @property
    def frame_shape_yx(self) -> tuple[int, int]:
        """Of the camera, or that of a large one where none was asked yet."""
        camera = self.__dict__.get("camera")
        return _DEFAULT_SHAPE_YX if camera is None else camera.shape_yx

    def snap(self) -> Picture:
        """Take one picture with the present settings.

        Raises
        ------
        CameraError, DeviceError
            If the camera delivers none in time, or none that can be used.
        """
        import time

        from hcc_scope.microscope.backend import own_pixels

        microscope = self.rig.microscope
        limit_s = microscope.hardware.exposure_ms / 1000 + _SNAP_MARGIN_S
        began_s = time.perf_counter()
        shot = microscope.thread.call("taking a picture", microscope.camera.snap, timeout_s=limit_s)
        self.snap_s = time.perf_counter() - began_s
        return Picture(own_pixels(shot.pixels, self.camera.bit_depth), self.snap_s)

    def put_exposure_back(self, exposure_ms: float) -> None:
        """Set the exposure that was found, even if it is beyond the rig file's limits."""
        microscope = self.rig.microscope
        what = "setting the exposure as it was"
        microscope.thread.call(what, partial(microscope.backend.ask, what, "set_exposure", exposure_ms))

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Prepare the devices as for a section, and put back afterwards what that has changed."""
        microscope = self.rig.microscope
        try:
            microscope.thread.call("preparing the devices", partial(microscope.hardware.prepare, None, None))
            yield
        finally:
            left = microscope.thread.call("putting the devices back", microscope.hardware.put_back)
        if left:
            raise DeviceError(f"not put back as it was found: {'; '.join(left)}")

    def set_property(self, device: str, name: str, value: str) -> None:
        """Set a property past the checks of the property browser."""
        microscope = self.rig.microscope
        what = f"setting {name} of '{device}'"
        microscope.thread.call(what, partial(microscope.backend.ask, what, "set_property", device, name, value))

    def property_value(self, device: str, name: str) -> str | None:
        """Return a property's value; None if there is no such property."""
        microscope = self.rig.microscope

        def read() -> str | None:
            if not microscope.backend.ask("asking for a property", "has_property", device, name):
                return None
            return str(microscope.backend.ask("reading a property", "get_property", device, name))

        return microscope.thread.call("reading a property", read)

    def close(self) -> None:
        """Unload the devices."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
