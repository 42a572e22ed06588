"""The interface between our loop and the two kinds of Micro-Manager core.

The Python backend (pymmcore, in process) and the Java backend (a running Micro-Manager, over a socket) answer to the
same names in snake case. They differ in two things, which are all that this module hides: how pixels and tags come
out of the camera's buffer, and what an error looks like.

The Java side is tested against a stand-in with MMCoreJ's answers; no running Micro-Manager was available.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hcc_scope.errors import CameraError, DeviceError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from hcc_scope.types import TagValue

__all__ = ["Backend", "JavaBackend", "PythonBackend", "first_line", "own_pixels"]


T = TypeVar("T")

_LOOKING = "looking at the newest image"
_LOOKS = 3
"""How often the newest image is asked for until an error counts."""
_TRACE = re.compile(r"\s*\n.*", re.DOTALL)


def first_line(error: BaseException) -> str:
    """Return the core's own words as one line, without the Java stack trace that may follow them."""
    first = _TRACE.sub("", str(error).strip())
    return first.removeprefix("java.lang.Exception: ") or type(error).__name__


def own_pixels(pixels: NDArray[Any], bit_depth: int) -> NDArray[np.uint16]:
    """Return a camera's grey image as ours: (y, x) uint16, C-contiguous, owned, read-only.

    8-bit images are widened; a 16-bit array that owns its memory (as pymmcore's do) is taken over without a copy.

    Raises
    ------
    CameraError
        If the pixels are neither 8 nor 16 bits deep.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise CameraError(
            f"the camera delivers {pixels.dtype.itemsize * 8} bits a pixel ({bit_depth} bit colour or float)",
            hint="Set its pixel type to 8 or 16 bit grey.",
        )
    owned = np.require(pixels, dtype=np.uint16, requirements=["C", "O"])
    owned.flags.writeable = False
    return owned


class Backend:
    """A core, with errors in our words.

    Parameters
    ----------
    core
        The snake-case core object.
    """

    def __init__(self, core: Any) -> None:  # noqa: ANN401 - a class made at run time by pycromanager
        self.core = core

    def ask(self, what: str, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the core returns
        """Call the core's method `name`; `what` describes the purpose.

        Raises
        ------
        DeviceError
            With the core's own words, which name the device.
        """
        outcome = attempt(lambda: getattr(self.core, name)(*arguments))
        if isinstance(outcome, Failure):
            # pymmcore raises RuntimeError, OSError, IndexError ...; pyjavaz a plain Exception. A bug of ours is
            # recognised by its type and is not dressed up as a device's fault.
            if isinstance(outcome.error, TypeError | AttributeError | NameError) or not isinstance(
                outcome.error, Exception
            ):
                raise outcome.error
            raise DeviceError(f"{what} failed: {first_line(outcome.error)}") from outcome.error
        return outcome

    def snapped(self) -> tuple[NDArray[Any], Mapping[str, TagValue]]:
        """Return pixels (y, x) and tags of the image that was just snapped."""
        raise NotImplementedError

    def popped(self) -> tuple[NDArray[Any], Mapping[str, TagValue]]:
        """Return pixels (y, x) and tags of the oldest image in the camera's buffer."""
        raise NotImplementedError

    def last(self) -> NDArray[Any] | None:
        """Return a copy of the newest image in the camera's buffer, which stays there: pixels (y, x).

        None while there is none.
        """
        raise NotImplementedError

    def newest(self) -> tuple[NDArray[Any], Mapping[str, TagValue]] | None:
        """Return pixels (y, x) and tags of the newest image in the camera's buffer, which stays there.

        None while there is none.
        """
        raise NotImplementedError

    def _unless_empty(self, look: Callable[[], T]) -> T | None:
        """Return what a look into the camera's buffer finds; None if it is empty.

        A camera that overwrites its full buffer empties it first. It can do so at any time before the look, and put the
        next image in at any time after it: an error alone does not show that a device failed.
        """
        for _ in range(_LOOKS - 1):
            outcome = attempt(look)
            if not isinstance(outcome, Failure):
                return outcome
            if not isinstance(outcome.error, DeviceError):
                raise outcome.error
            if self.ask("looking for images", "get_remaining_image_count") == 0:
                return None
        return look()

    def labels(self, name: str, *arguments: object) -> tuple[str, ...]:
        """Call a method that returns a list of strings."""
        raise NotImplementedError

    def number(self, name: str, *arguments: object) -> int:
        """Call a method that returns one of a few named numbers."""
        raise NotImplementedError

    def numbers(self, name: str, *arguments: object) -> tuple[float, ...]:
        """Call a method that returns a list of numbers."""
        raise NotImplementedError

    def settings(self, name: str, *arguments: object) -> tuple[tuple[str, str, str], ...]:
        """Call a method that returns a preset: device, property and value of each of its settings."""
        raise NotImplementedError

    def roi(self) -> tuple[int, int, int, int]:
        """Return the camera's region of interest: x, y, width, height in px."""
        raise NotImplementedError


class PythonBackend(Backend):
    """pymmcore in this process: arrays come shaped and owned, snapped ones without tags.

    Parameters
    ----------
    core
    new_metadata : callable
        Returns an empty ``pymmcore.Metadata``, which the core fills with an image's tags.
    """

    def __init__(self, core: Any, new_metadata: Callable[[], Any]) -> None:  # noqa: ANN401 - as its base
        super().__init__(core)
        self._new_metadata = new_metadata

    def snapped(self) -> tuple[NDArray[Any], Mapping[str, TagValue]]:
        """Return pixels and no tags (the core keeps none for a snapped image here)."""
        return self.ask("reading the image", "get_image"), {}

    def popped(self) -> tuple[NDArray[Any], Mapping[str, TagValue]]:
        """Return pixels and tags, all of them strings."""
        image = self.ask("reading the image", "pop_next_tagged_image")
        return image.pix, image.tags

    def last(self) -> NDArray[Any] | None:
        """Return the core's copy."""
        return self._unless_empty(lambda: np.asarray(self.ask(_LOOKING, "get_last_image")))

    def newest(self) -> tuple[NDArray[Any], Mapping[str, TagValue]] | None:
        """Return the core's copy and its tags, all of them strings."""

        def look() -> tuple[NDArray[Any], Mapping[str, TagValue]]:
            metadata = self._new_metadata()
            pixels = np.asarray(self.ask(_LOOKING, "get_last_image_md", metadata))
            return pixels, {key: metadata.GetSingleTag(key).GetValue() for key in metadata.GetKeys()}

        return self._unless_empty(look)

    def labels(self, name: str, *arguments: object) -> tuple[str, ...]:
        """Return the core's tuple."""
        return tuple(self.ask(name, name, *arguments))

    def number(self, name: str, *arguments: object) -> int:
        """Return the core's number."""
        return int(self.ask(name, name, *arguments))

    def numbers(self, name: str, *arguments: object) -> tuple[float, ...]:
        """Return the core's tuple."""
        return tuple(float(value) for value in self.ask(name, name, *arguments))

    def settings(self, name: str, *arguments: object) -> tuple[tuple[str, str, str], ...]:
        """Copy a ``Configuration`` over, whose own methods keep the core's spelling."""
        preset = self.ask(name, name, *arguments)
        each = (preset.getSetting(i) for i in range(preset.size()))
        return tuple((one.getDeviceLabel(), one.getPropertyName(), one.getPropertyValue()) for one in each)

    def roi(self) -> tuple[int, int, int, int]:
        """Return the core's list as a tuple."""
        x, y, width, height = self.ask("reading the region of interest", "get_roi")
        return int(x), int(y), int(width), int(height)


class JavaBackend(Backend):
    """A running Micro-Manager: flat arrays with their shape in the tags, lists as Java objects."""

    @staticmethod
    def _shaped(image: Any) -> tuple[NDArray[Any], Mapping[str, TagValue]]:  # noqa: ANN401 - a Java object's shadow
        tags = dict(image.tags)
        pixels = np.asarray(image.pix)
        height, width = int(tags["Height"]), int(tags["Width"])
        if pixels.size != height * width:
            raise CameraError(
                f"the camera delivered {pixels.size} values for {width} x {height} pixels",
                hint="Set its pixel type to 8 or 16 bit grey.",
            )
        if pixels.dtype.kind == "i":  # Java has no unsigned integers: same bits, other name
            pixels = pixels.view(np.dtype(f"u{pixels.dtype.itemsize}"))
        return pixels.reshape(height, width), tags

    def snapped(self) -> tuple[NDArray[Any], Mapping[str, TagValue]]:
        """Return pixels and tags."""
        return self._shaped(self.ask("reading the image", "get_tagged_image"))

    def popped(self) -> tuple[NDArray[Any], Mapping[str, TagValue]]:
        """Return pixels and tags."""
        return self._shaped(self.ask("reading the image", "pop_next_tagged_image"))

    def labels(self, name: str, *arguments: object) -> tuple[str, ...]:
        """Copy a Java ``StrVector`` over."""
        vector = self.ask(name, name, *arguments)
        return tuple(vector.get(i) for i in range(vector.size()))

    def last(self) -> NDArray[Any] | None:
        """Return pixels without their tags."""
        image = self.newest()
        return None if image is None else image[0]

    def newest(self) -> tuple[NDArray[Any], Mapping[str, TagValue]] | None:
        """Return pixels and tags."""
        image = self._unless_empty(lambda: self.ask(_LOOKING, "get_last_tagged_image"))
        return None if image is None else self._shaped(image)

    def number(self, name: str, *arguments: object) -> int:
        """Unwrap a Java enumeration's constant."""
        return int(self.ask(name, name, *arguments).swig_value())

    def numbers(self, name: str, *arguments: object) -> tuple[float, ...]:
        """Copy a Java ``DoubleVector`` over."""
        vector = self.ask(name, name, *arguments)
        return tuple(float(vector.get(i)) for i in range(vector.size()))

    def settings(self, name: str, *arguments: object) -> tuple[tuple[str, str, str], ...]:
        """Copy a Java ``Configuration`` over."""
        preset = self.ask(name, name, *arguments)
        each = (preset.get_setting(i) for i in range(preset.size()))
        return tuple((one.get_device_label(), one.get_property_name(), one.get_property_value()) for one in each)

    def roi(self) -> tuple[int, int, int, int]:
        """Copy a ``java.awt.Rectangle`` over."""
        area = self.ask("reading the region of interest", "get_roi")
        return int(area.get_x()), int(area.get_y()), int(area.get_width()), int(area.get_height())
