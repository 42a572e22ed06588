"""Lease the camera to a preview or a section. A section has priority: it ends a preview and blocks new ones.

The two use the camera's buffer in different modes (a section takes every image out of it, a preview looks at the last
one), which must never be mixed.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from hcc_scope.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CameraUse", "Holder", "UseState"]

UseState = Literal["free", "section", "paused"]


class Holder(Protocol):
    """A preview that has the camera."""

    def start(self) -> None:
        """Have it again."""

    def stop(self) -> None:
        """Give it up."""

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Stop the camera for something that it only takes at rest, in the core's thread."""


class CameraUse:
    """Keeps the uses of one camera apart. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: UseState = "free"
        self._preview: Holder | None = None
        self._interlude = threading.Lock()
        """Held while something else than the section uses the camera in a pause."""

    @property
    def state(self) -> UseState:
        """``paused``: a section is under way, but its camera is stopped."""
        return self._state

    @contextmanager
    def section(self) -> Iterator[None]:
        """Have the camera for a section; a preview is ended.

        Raises
        ------
        CameraError
            If a section has it already.
        """
        with self._lock:
            self._refuse_section()
            self._state = "section"
        try:
            self.end_preview()
            yield
        finally:
            self._state = "free"

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Let a preview have the camera while a section is paused; it ends with the pause."""
        self._state = "paused"
        try:
            yield
        finally:
            with self._lock:
                self._state = "section"
            self.end_preview()
            with self._interlude:
                pass  # what sees by the state that it must end, ends

    @contextmanager
    def interlude(self) -> Iterator[Literal["free", "paused"]]:
        """Have the camera for a while, between sections or in a pause; a preview stands still, and then continues.

        In a pause, watch the `state`: when it is no longer ``paused``, the section waits to continue.

        Yields
        ------
        {"free", "paused"}
            The state.

        Raises
        ------
        CameraError
            If a section is being acquired, or another interlude is under way.
        """
        if not self._interlude.acquire(blocking=False):
            raise CameraError("the camera is in use for focusing already", hint="Wait until that is over.")
        try:
            with self._lock:
                self._refuse_during_section()
                state, preview = self._state, self._preview
            assert state != "section"
            if preview is None:
                yield state
                return
            preview.stop()
            try:
                yield state
            finally:
                if self._state == state:
                    preview.start()
        finally:
            self._interlude.release()

    def begin_preview(self, preview: Holder) -> None:
        """Have the camera for a preview.

        Raises
        ------
        CameraError
            If a section or another preview has it.
        """
        with self._lock:
            self._refuse_during_section()
            if self._preview is not None and self._preview is not preview:
                raise CameraError("a preview of this camera is shown already", hint="Stop it first.")
            self._preview = preview

    def forget_preview(self, preview: Holder) -> None:
        """Note that a preview has given the camera up."""
        with self._lock:
            if self._preview is preview:
                self._preview = None

    def end_preview(self) -> None:
        """Stop the preview if there is one."""
        with self._lock:
            preview = self._preview
        if preview is not None:
            preview.stop()

    def release_for_section(self) -> None:
        """End a preview, for a section that is being prepared.

        Raises
        ------
        CameraError
            If a section has the camera.
        """
        with self._lock:
            self._refuse_section()
        self.end_preview()

    def _refuse_section(self) -> None:
        if self._state != "free":
            raise CameraError("a section is being acquired with this camera", hint="Stop it first.")

    def refuse_during_section(self) -> None:
        """Raise `CameraError` if the camera is busy with a section that is not paused."""
        with self._lock:
            self._refuse_during_section()

    def _refuse_during_section(self) -> None:
        if self._state == "section":
            raise CameraError(
                "a section is being acquired, which the preview would disturb", hint="Pause or stop the section first."
            )

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Do something that a camera accepts only at rest; a preview then continues. In the core's thread."""
        preview = self._preview
        if preview is None:
            yield
            return
        with preview.suspended():
            yield
