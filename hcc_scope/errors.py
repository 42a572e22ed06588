"""All errors of the program, as one tree, each leaf with its exit code.

::

    HccScopeError                        1
    |-- UsageError                       2   an option that contradicts another
    |-- RigError
    |   |-- ConfigError                 10   a .cfg or rig file: missing, unknown command, bad value
    |   |-- DeviceError                 11   a device or adapter that is not there, or answers with an error
    |   |-- CameraError                 12   no camera, no image size, no frame in time
    |   `-- FramesLost                  13   the camera's own buffer overflowed or its counter has a gap
    |-- PlanError                       14   empty plan, outside the stage limits or the section
    |-- IdError                         15   animal or section id missing or not usable in a file name
    |-- ModelError                      20   no such model, or one that broke while it ran
    |   |-- ModelAlteredError           21   sha256 differs from the card
    |   |-- ModelFormatError            22   not TorchScript, wrong output shape, unreadable card
    |   |-- ModelSelfTestError          23   does not reproduce its own test output here
    |   `-- ModelMismatchError          24   frames unlike those it was trained on (um/px, bit depth, phantom)
    |-- FrameSizeError                  25   a frame smaller than one tile
    |-- StoreError                      30   a store that cannot be read or written
    |   |-- StoreExistsError            31   never overwrite
    |   |-- StoreUnwritableError        32   permissions, read-only disk
    |   |-- DiskFullError               33   too little space before, or none left during a run
    |   `-- StoreDamagedError           35   a frame or a fact is missing or its checksum is wrong
    |-- CheckError                      40   replay --check found a difference
    |-- DatasetError                    50   labelled images that cannot be trained on or validated with
    |   |-- ManifestError               51   a manifest: missing, unknown column, bad value
    |   |-- ImageError                  52   an image that is missing, unreadable or of an unsupported kind
    |   `-- LeakError                   53   the same image on both sides of a split that must not share any
    `-- TrainingError                   60   a training or evaluation that cannot go on
        |-- DivergedError               61   the loss is no finite number
        `-- ResumeError                 62   a run that was started with another configuration or other data

A message is one sentence for a person: what is wrong, where, and what to do.
"""

from __future__ import annotations

import errno
import os
from typing import ClassVar

__all__ = [
    "COPY_AGAIN",
    "FREE_SPACE_HINT",
    "FULL_DISK",
    "CameraError",
    "CheckError",
    "ConfigError",
    "DatasetError",
    "DeviceError",
    "DiskFullError",
    "DivergedError",
    "FrameSizeError",
    "FramesLost",
    "HccScopeError",
    "IdError",
    "ImageError",
    "LeakError",
    "ManifestError",
    "ModelAlteredError",
    "ModelError",
    "ModelFormatError",
    "ModelMismatchError",
    "ModelSelfTestError",
    "PlanError",
    "ResumeError",
    "RigError",
    "StoreDamagedError",
    "StoreError",
    "StoreExistsError",
    "StoreUnwritableError",
    "TrainingError",
    "UsageError",
    "from_os_error",
]


class HccScopeError(Exception):
    """Base of every error that a user sees without a traceback.

    Parameters
    ----------
    message : str
        What is wrong and where (file, line, device): one sentence without a full stop at its end is fine.
    hint : str, optional
        What to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, followed by the hint if there is one."""
        if self.hint is None:
            return self.message
        return f"{self.message.rstrip('.')}. {self.hint}"


class UsageError(HccScopeError):
    """Options that contradict each other or make no sense together."""

    exit_code = 2


class RigError(HccScopeError):
    """Anything about the microscope's hardware or its description."""

    exit_code = 10


class ConfigError(RigError):
    """A Micro-Manager .cfg or a rig file is missing or wrong."""

    exit_code = 10


class DeviceError(RigError):
    """A device or adapter is not there, or answered with an error."""

    exit_code = 11


class CameraError(RigError):
    """The camera is missing, has no image size, or delivered nothing in time."""

    exit_code = 12


class FramesLost(RigError):  # noqa: N818 - the name the design gives it: an event, and an error
    """Frames were lost between the camera and us.

    Parameters
    ----------
    n_lost : int
        How many at least, 1 or more. Of an overflow only that is known: the camera counts no frame it had no room for.
    message : str
        What happened and after which frame.
    """

    exit_code = 13

    def __init__(self, n_lost: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.n_lost = n_lost


class PlanError(HccScopeError):
    """The acquisition plan is empty or leads outside the stage limits or the section."""

    exit_code = 14


class IdError(HccScopeError):
    """An animal or section id is missing or cannot be part of a file name."""

    exit_code = 15


class ModelError(HccScopeError):
    """No such model, or a model that broke while it ran."""

    exit_code = 20


class ModelAlteredError(ModelError):
    """The model file's sha256 is not the one in its card."""

    exit_code = 21


class ModelFormatError(ModelError):
    """The model is not TorchScript, returns the wrong shape, or its card cannot be read."""

    exit_code = 22


class ModelSelfTestError(ModelError):
    """The model does not reproduce its own test output on this machine."""

    exit_code = 23


class ModelMismatchError(ModelError):
    """The frames are unlike those the model was trained on (um/px, bit depth, tile size)."""

    exit_code = 24


class FrameSizeError(HccScopeError):
    """A frame is smaller than one tile."""

    exit_code = 25


class StoreError(HccScopeError):
    """A store that cannot be read or written."""

    exit_code = 30


class StoreExistsError(StoreError):
    """The store is already there; nothing is ever overwritten."""

    exit_code = 31


class StoreUnwritableError(StoreError):
    """The output folder cannot be written to."""

    exit_code = 32


class DiskFullError(StoreError):
    """Too little space before the run, or none left during it."""

    exit_code = 33


class StoreDamagedError(StoreError):
    """A frame, or a fact of the store, is missing or its checksum is wrong."""

    exit_code = 35


class CheckError(HccScopeError):
    """``replay --check`` found predictions that differ from the recorded ones."""

    exit_code = 40


class DatasetError(HccScopeError):
    """Labelled images that cannot be trained on, or not validated in the way that was asked for."""

    exit_code = 50


class ManifestError(DatasetError):
    """A manifest is missing, has an unknown or missing column, or a value that cannot be."""

    exit_code = 51


class ImageError(DatasetError):
    """An image is missing, unreadable, or of a kind that is not supported."""

    exit_code = 52


class LeakError(DatasetError):
    """The same image is on both sides of a split that must not share any."""

    exit_code = 53


class TrainingError(HccScopeError):
    """A training or an evaluation that cannot go on."""

    exit_code = 60


class DivergedError(TrainingError):
    """The loss is no finite number; the last good checkpoint is kept."""

    exit_code = 61


class ResumeError(TrainingError):
    """A run cannot be continued: it was started with another configuration, or on other data."""

    exit_code = 62


_HINTS = {
    errno.EACCES: "Choose one that you have the permission for.",
    errno.EPERM: "Choose one that you have the permission for.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EROFS: "Choose another disk.",
}
FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No space, quota used up, file-size limit."""
COPY_AGAIN = "Copy it again from where it came."
"""What to do about a damaged file that others have made."""
FREE_SPACE_HINT = "Free some space or choose another disk."


def from_os_error(error: OSError, what: str | None = None) -> HccScopeError:
    """Return the error that names what the operating system refused, and for which file.

    For failures that the calling code does not foresee: where the kind of file is known, its own error is more precise.

    Parameters
    ----------
    error : OSError
        With a file name.
    what : str, optional
        What failed, as the start of a sentence; without it, the file's name.
    """
    path = error.filename if error.filename2 is None else error.filename2
    subject = what or os.fsdecode(path)
    words = f"{subject}: {error.strerror or error}"
    if error.errno in FULL_DISK:
        return DiskFullError(words, hint=FREE_SPACE_HINT)
    return HccScopeError(words, hint=_HINTS.get(error.errno or 0))
