"""The microscope, through Micro-Manager: start it in this process or attach to a running one, and take frames.

>>> from hcc_scope.microscope.plan_source import MicroManagerSource
>>> from hcc_scope.plans import PositionList
>>> with MicroManager.start(cfg, adapters_dir=adapters) as rig:  # doctest: +SKIP
...     plan = PositionList(positions_um=[(0, 0), (700, 0)])
...     source = MicroManagerSource(rig, plan, animal_id="m1", section_id="s1")
...     for frame in source.frames(StopToken()):
...         print(frame.seq, frame.stage_um)

Design
------
pycromanager's `Core` is the door; its `Acquisition` is not used (its callbacks swallow errors and can hang), so plans
come in its *event* form and the loop of `hcc_scope.microscope.plan_source` executes them. There is one in-process core
per process, for good: pycromanager cannot start a second one. Starting again loads another configuration into it.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self

from mmpycorex import is_pymmcore_active
from pycromanager import Core, start_headless
from pymmcore import Metadata

from hcc_scope.errors import ConfigError, DeviceError, RigError
from hcc_scope.microscope.backend import Backend, JavaBackend, PythonBackend
from hcc_scope.microscope.camera import Camera
from hcc_scope.microscope.camera_lease import CameraUse
from hcc_scope.microscope.core_thread import CoreThread
from hcc_scope.microscope.hardware import CameraFacts, Hardware
from hcc_scope.microscope.load_errors import load_error
from hcc_scope.microscope.restore import describe_left
from hcc_scope.types import RigHandling, RigRoles
from hcc_scope.workers import Failure, attempt, guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from hcc_scope.microscope.demo_scene import Scene
    from hcc_scope.types import StageLimits, StageTolerance

__all__ = ["DEFAULT_BUFFER_MB", "MicroManager"]

_log = logging.getLogger(__name__)

DEFAULT_BUFFER_MB = 1024
"""The camera's own buffer: 128 frames of 2048 x 2048."""
_CLOSE_MARGIN_S = 5.0
"""How much longer than an exposure that is under way the devices may take to close."""
_END_S = 0.5
"""How long the core's thread may take to end: at once if it is idle, so later only if a driver hangs."""
_PROBE_S = 2.0
"""How long to wait for a connection to a port of this machine."""
_HANGS_HINT = (
    "If a device hangs, unplug it: the rig can be opened again when its driver answers. Otherwise restart the program."
)
_open_rig = threading.Lock()
"""Held while the in-process core is in use."""


def _python_core(adapters_dir: Path, buffer_size_mb: int) -> Any:  # noqa: ANN401 - a class made at run time
    """Return the process's core, starting it if this is the first time."""
    if not is_pymmcore_active():
        start_headless(str(adapters_dir), None, python_backend=True, buffer_size_mb=buffer_size_mb)
    core = Core()
    core.set_device_adapter_search_paths([str(adapters_dir)])
    return core


def _java_core(port: int) -> Any:  # noqa: ANN401 - a class made at run time
    """Return the core of the Micro-Manager that listens on a port of this machine.

    The traceback of pyjavaz's own thread is kept off the screen: the call that failed reports what went wrong.
    """
    # Looked at first, because pyjavaz takes seconds to notice that nothing listens.
    with socket.create_connection(("127.0.0.1", port), timeout=_PROBE_S):
        pass
    before = threading.excepthook
    name = f"BridgeSocketThread_port{port}"

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.thread is not None and arguments.thread.name == name:
            _log.debug("the bridge's thread ended: %s", arguments.exc_value)
        else:
            before(arguments)

    threading.excepthook = hook
    try:
        core = attempt(lambda: Core(port=port, timeout=2000))
        if isinstance(core, Failure):
            # The call fails a moment before the thread's traceback is due.
            for thread in threading.enumerate():
                if thread.name == name:
                    thread.join(_END_S)
            raise core.error
        return core
    finally:
        threading.excepthook = before


def _unload(backend: Backend) -> None:
    """Unload all devices; the core refuses that while it believes that a camera is running."""
    if isinstance(attempt(lambda: backend.ask("unloading the devices", "unload_all_devices")), Failure):
        attempt(lambda: backend.ask("stopping the camera", "stop_sequence_acquisition"))
        backend.ask("unloading the devices", "unload_all_devices")


def _warn(error: BaseException, where: str) -> None:
    _log.warning("%s failed: %s", where, error)


class MicroManager:
    """A microscope that is ready: a core with a configuration loaded. Use `start` or `attach`, and close it."""

    def __init__(
        self,
        thread: CoreThread,
        backend: Backend,
        hardware: Hardware,
        *,
        limits: StageLimits | None,
        rig_sha256: str | None,
        versions: Mapping[str, str],
        on_close: Callable[[], None],
    ) -> None:
        self.thread = thread
        self.backend = backend
        self.hardware = hardware
        self.camera = Camera(backend, hardware)
        self.use = CameraUse()
        """Who has the camera now."""
        self.limits = limits
        self.events = hardware.events
        """What happens to the devices; a section keeps it in its store while it runs."""
        self.scene: Scene | None = None
        """What the demo camera was shown last in place of its test pattern; None for any other camera."""
        self.rig_sha256 = rig_sha256
        """sha256 of the .cfg file; None when attached: what was loaded there is unknown."""
        self.rig_name: str | None = None
        """Of the rig file, set by `hcc_scope.runs.rigs`; None without one. Sections record it."""
        self.versions = versions
        self._on_close = on_close
        self._closed = False

    @property
    def handling(self) -> RigHandling:
        """The limits, and what stage, turret and lamp need."""
        return self.hardware.handling

    @classmethod
    def start(
        cls,
        cfg: Path,
        *,
        adapters_dir: Path,
        buffer_size_mb: int = DEFAULT_BUFFER_MB,
        roles: RigRoles | None = None,
        limits: StageLimits | None = None,
        pixel_size_um: float | None = None,
        stage_tolerance: StageTolerance | None = None,
        handling: RigHandling | None = None,
        readable: Path | None = None,
    ) -> MicroManager:
        """Load a configuration into this process's core.

        Parameters
        ----------
        cfg : Path
            Micro-Manager configuration file. Lint it first (`hcc_scope.rig.config.check`): the core itself ignores
            commands that it does not know.
        adapters_dir : Path
            Folder with the device adapter libraries.
        buffer_size_mb : int
            Size of the camera's buffer in MiB.
        roles : RigRoles, optional
            Which camera property is the EM gain, and so on.
        limits : StageLimits, optional
            Where the stage may go.
        pixel_size_um : float, optional
            Without binning and magnifier; takes the place of the configuration's pixel size.
        stage_tolerance : StageTolerance, optional
            How near to its target the stage must come; derived from the field's size without it.
        handling : RigHandling, optional
            Limits, and what stage, turret and lamp need.
        readable : Path, optional
            A copy of `cfg` in UTF-8 that is loaded in its place: names in another encoding cannot be asked about.

        Raises
        ------
        ConfigError, DeviceError, CameraError
            If the file is missing or wrong, an adapter or device is missing, or there is no camera.
        RigError
            If another `MicroManager` of this process is still open.
        KeyboardInterrupt
            If the user interrupts a driver that hangs. The load continues in the background and keeps the core in use.
        """
        try:
            rig_sha256 = hashlib.sha256(cfg.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"cannot read the configuration {cfg}: {error.strerror}") from error
        if not _open_rig.acquire(blocking=False):
            raise RigError(
                "Micro-Manager is already in use by this program", hint=f"Close the other run first. {_HANGS_HINT}"
            )
        thread = CoreThread()
        outcome = attempt(
            lambda: thread.call(
                "loading the configuration",
                lambda: cls._load(
                    thread,
                    cfg,
                    readable or cfg,
                    adapters_dir,
                    buffer_size_mb,
                    limits,
                    rig_sha256,
                    lambda backend: Hardware(
                        backend, roles or RigRoles(), limits, pixel_size_um, stage_tolerance, handling
                    ),
                ),
            )
        )
        if isinstance(outcome, Failure):
            # a load that continues keeps the core: it cannot be used before that ends
            thread.close(_END_S, _open_rig.release)
            raise outcome.error
        return outcome

    @classmethod
    def _load(
        cls,
        thread: CoreThread,
        cfg: Path,
        readable: Path,
        adapters_dir: Path,
        buffer_size_mb: int,
        limits: StageLimits | None,
        rig_sha256: str,
        hardware_of: Callable[[Backend], Hardware],
    ) -> MicroManager:
        core = _python_core(adapters_dir, buffer_size_mb)
        backend = PythonBackend(core, Metadata)
        # Loading adds to what is there: without this a second configuration fails on its first device.
        _unload(backend)
        loaded = attempt(lambda: core.load_system_configuration(str(readable)))
        if isinstance(loaded, Failure):
            core.unload_all_devices()  # an error in System/Startup leaves the devices loaded
            raise load_error(loaded.error, cfg, readable, adapters_dir, core) from loaded.error
        hardware = hardware_of(backend)
        hardware.need_room(buffer_size_mb)  # the core gives no reason where there is no room for an image
        backend.ask("making room for frames", "set_circular_buffer_memory_footprint", buffer_size_mb)
        versions = {
            "pycromanager": version("pycromanager"),
            "pymmcore": version("pymmcore"),
            "micro-manager": str(core.get_version_info()),
            "device-interface": str(core.get_api_version_info()),
        }
        return cls(
            thread,
            backend,
            hardware,
            limits=limits,
            rig_sha256=rig_sha256,
            versions=versions,
            on_close=_open_rig.release,
        )

    @classmethod
    def attach(
        cls,
        *,
        port: int = 4827,
        roles: RigRoles | None = None,
        limits: StageLimits | None = None,
        pixel_size_um: float | None = None,
        stage_tolerance: StageTolerance | None = None,
        handling: RigHandling | None = None,
    ) -> MicroManager:
        """Attach to a Micro-Manager that runs on this machine, with its configuration as it is.

        Its option "Run pycro-manager server on port 4827" must be ticked. The connection is to 127.0.0.1 only.

        Raises
        ------
        DeviceError
            If nothing answers.
        RigError
            If a core was already started in this process, as pycromanager would silently return that one.
        """
        if is_pymmcore_active():
            raise RigError(
                "this program already runs its own Micro-Manager and cannot attach to another one",
                hint="Restart the program and attach first.",
            )
        thread = CoreThread()

        def connect() -> MicroManager:
            core = attempt(lambda: _java_core(port))
            if isinstance(core, Failure):
                raise DeviceError(
                    f"no Micro-Manager answers on port {port} of this machine",
                    hint=f"Start it and tick 'Run pycro-manager server on port {port}' in its options.",
                ) from core.error
            backend = JavaBackend(core)
            versions = {
                "pycromanager": version("pycromanager"),
                "micro-manager": str(backend.ask("asking for the version", "get_version_info")),
                "device-interface": str(backend.ask("asking for the version", "get_api_version_info")),
            }
            hardware = Hardware(backend, roles or RigRoles(), limits, pixel_size_um, stage_tolerance, handling)
            return cls(
                thread,
                backend,
                hardware,
                limits=limits,
                rig_sha256=None,
                versions=versions,
                on_close=lambda: None,
            )

        outcome = attempt(lambda: thread.call("connecting to Micro-Manager", connect))
        if isinstance(outcome, Failure):
            thread.close(_END_S)
            raise outcome.error
        return outcome

    def facts(self) -> CameraFacts:
        """Return what the camera delivers (see `hcc_scope.microscope.hardware.Hardware.facts`)."""
        return self.thread.call("asking the camera", self.hardware.facts)

    def close(self) -> None:
        """Stop the camera and, if the core is ours, unload its devices. Waits for the exposure under way. Idempotent.

        Raises
        ------
        DeviceError
            If a driver hangs; the core cannot be used again before it returns.
        """
        if self._closed:
            return
        self._closed = True
        preview_ended = attempt(self.use.end_preview)
        if isinstance(preview_ended, Failure):
            _log.warning("the preview could not be ended: %s", preview_ended.error)
        exposure_s = self.hardware.exposure_ms / 1000
        outcome = attempt(lambda: self.thread.call("closing", self._shut_down, timeout_s=exposure_s + _CLOSE_MARGIN_S))
        ended = self.thread.close(_END_S, self._on_close)
        if isinstance(outcome, Failure) and (ended or isinstance(outcome.error, KeyboardInterrupt)):
            raise outcome.error
        if not ended:
            raise DeviceError("a device hangs and Micro-Manager cannot be closed", hint=_HANGS_HINT)

    def _shut_down(self) -> None:
        stopped = attempt(self._stop_camera)
        guard("putting settings back", self._put_back, _warn)
        if isinstance(self.backend, PythonBackend):
            # a camera that was unplugged answers nothing, and must not keep the others loaded
            if isinstance(stopped, Failure):
                _warn(stopped.error, "stopping the camera")
            _unload(self.backend)
        elif isinstance(stopped, Failure):
            raise stopped.error  # the camera may go on running in a Micro-Manager that is not ours

    def _stop_camera(self) -> None:
        if self.backend.ask("closing", "is_sequence_running"):
            self.backend.ask("stopping the camera", "stop_sequence_acquisition")

    def _put_back(self) -> None:
        """Put back what a section has changed that was prepared and never began."""
        if left := self.hardware.put_back():
            _log.warning("%s", describe_left(left))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closed = attempt(self.close)
        if isinstance(closed, Failure):
            if error is None:
                raise closed.error
            error.add_note(f"then, closing Micro-Manager: {closed.error}")  # the first error is the one that is raised
