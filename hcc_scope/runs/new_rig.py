"""Write the two files of a new rig from a few answers, for command line and window.

>>> answers = NewRig("dmi6000b", "ixon-888", ("10X", "20X=0.65"), port="COM3", out=Path("my-rig"))  # doctest: +SKIP
>>> rig_file = write_new_rig(answers)
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hcc_scope.errors import UsageError, from_os_error
from hcc_scope.number_text import plain_number
from hcc_scope.rig.cameras import CAMERAS
from hcc_scope.rig.rig_templates import STANDS, Answers, Objective, choose_template, filled_template, templates_of
from hcc_scope.small_files import expanded
from hcc_scope.storage.naming import RESERVED_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.rig.cameras import CameraModel
    from hcc_scope.rig.findings import Finding
    from hcc_scope.rig.rig_templates import Stand, Template

__all__ = [
    "DEFAULT_OBJECTIVES",
    "QUESTIONS",
    "USUAL_ADAPTERS_DIR",
    "NewRig",
    "camera_of",
    "cameras_for",
    "check_port",
    "lint_new_rig",
    "objectives_of",
    "rig_file_of",
    "stand_of",
    "template_of",
    "write_new_rig",
]

DEFAULT_OBJECTIVES = ("10X", "20X", "40X")
USUAL_ADAPTERS_DIR = Path(r"C:\Program Files\Micro-Manager-2.0")
"""Where Micro-Manager's own installer puts it."""
QUESTIONS = {
    "stand": "Stand",
    "camera": "Camera",
    "objectives": "Objectives, in the order of the turret: 10X, or 10X=1.3 with its um/px",
    "mount": "Magnification of the camera mount",
    "port": "Serial port of the stand",
    "adapters_dir": "Folder of Micro-Manager",
    "out": "Name of the new rig file",
}
"""What command line and window ask for, in this order."""

_ENDINGS = re.compile(r"\.(rig\.ya?ml|ya?ml|cfg)$", re.IGNORECASE)
_MAGNIFICATION = re.compile(r"(\d+(?:\.\d+)?)\s*x", re.IGNORECASE)
_LABEL = re.compile(r"[!-~]([ -~]*[!-~])?")
_PORT = re.compile(r"COM\d+|/dev/[\w./-]+", re.IGNORECASE)
_STEM = re.compile(r"[\w+-]([\w .+-]*[\w+-])?")
_SMALLEST_UM, _LARGEST_UM = 0.001, 1000.0
_LONGEST_LABEL = 60
T = TypeVar("T", "Stand", "CameraModel")


@dataclass(frozen=True, slots=True)
class NewRig:
    """The answers."""

    stand: str
    """Key of one of `hcc_scope.rig.rig_templates.STANDS`."""
    camera: str
    """Key of one of `hcc_scope.rig.cameras.CAMERAS`."""
    objectives: tuple[str, ...]
    """Each a label with its um/px (``10X=1.3``), or a label that tells the magnification (``10X``)."""
    out: Path
    """The new rig file; the .cfg of the same name is written beside it."""
    port: str | None = None
    """Of the stand, such as ``COM3``; None leaves it to be filled in."""
    mount: float = 1.0
    """Magnification between objective and camera."""
    adapters_dir: Path | None = None
    """Micro-Manager's folder; None leaves it to be filled in."""


def _chosen(choices: Sequence[T], key: str, what: str) -> T:
    for one in choices:
        if key.casefold() in (one.key, one.name.casefold()):
            return one
    raise UsageError(f"there is no {what} '{key}'", hint=f"Choose one of: {', '.join(one.key for one in choices)}.")


def cameras_for(stand: Stand) -> tuple[CameraModel, ...]:
    """Return the cameras that there is a template for, with a stand."""
    kinds = {one.camera for one in templates_of(stand)}
    return tuple(camera for camera in CAMERAS if camera.kind is not None and camera.kind in kinds)


def stand_of(key: str) -> Stand:
    """Return the stand of a name; raise `UsageError` if there is none."""
    return _chosen(STANDS, key, "stand")


def camera_of(key: str) -> CameraModel:
    """Return the camera of a name; raise `UsageError` if there is none."""
    return _chosen(CAMERAS, key, "camera")


def template_of(new: NewRig) -> Template:
    """Return the shipped pair of files that a new rig starts from; raise `UsageError` if there is none."""
    return choose_template(stand_of(new.stand), camera_of(new.camera))


def objectives_of(new: NewRig) -> tuple[Objective, ...]:
    """Return the objectives with their sizes of a pixel, given or computed.

    Raises
    ------
    UsageError
        If one is not understood.
    """
    if not new.mount > 0 or new.mount > _LARGEST_UM:
        raise UsageError(f"the camera mount cannot magnify {new.mount:g} times", hint="It is 1 where there is no lens.")
    camera = camera_of(new.camera)
    found: dict[str, Objective] = {}
    for text in new.objectives:
        label, equals, size = (part.strip() for part in text.partition("="))
        if not _LABEL.fullmatch(label) or "," in label or '"' in label or len(label) > _LONGEST_LABEL:
            raise UsageError(
                f"'{label}' cannot be the label of an objective",
                hint="A label is plain text without commas and quotation marks, such as 10X.",
            )
        if label in found:
            raise UsageError(f"two objectives are called '{label}'", hint="Give each its own label.")
        found[label] = Objective(label, _size_um(label, size, camera, new.mount, given=bool(equals)))
    if not found:
        raise UsageError("at least one objective is needed", hint="Give, for example, 10X or 10X=1.3.")
    return tuple(found.values())


def _size_um(label: str, size: str, camera: CameraModel, mount: float, *, given: bool) -> float:
    if given:
        number = plain_number(size)
        if number is None or not _SMALLEST_UM <= number <= _LARGEST_UM:
            raise UsageError(
                f"'{size}' is no size of a pixel for the objective '{label}'",
                hint=f"It is a number of um, from {_SMALLEST_UM:g} to {_LARGEST_UM:,.0f}, with a decimal point.",
            )
        return number
    magnification = _MAGNIFICATION.search(label)
    times = float(magnification[1]) if magnification is not None else 0.0
    if not times > 0:
        raise UsageError(
            f"the label '{label}' tells no magnification", hint=f"Give the size of a pixel with it: {label}=0.65."
        )
    um_per_px = float(f"{camera.pixel_um / (times * mount):.4g}")
    if not _SMALLEST_UM <= um_per_px <= _LARGEST_UM:
        raise UsageError(
            f"a pixel of {um_per_px:g} um follows for the objective '{label}', which is not possible",
            hint=f"Give the size of a pixel with it: {label}=0.65.",
        )
    return um_per_px


def check_port(port: str) -> None:
    """Refuse what cannot be the name of a serial port; raise `UsageError`."""
    if not _PORT.fullmatch(port):
        raise UsageError(f"'{port}' is no serial port", hint="Give, for example, COM3 or /dev/ttyUSB0.")


def rig_file_of(out: Path) -> Path:
    """Return the path of the rig file that is meant; ``.rig.yaml`` need not be written.

    Raises
    ------
    UsageError
        If it names a folder, or cannot be a name.
    """
    path = expanded(out)
    stem = _ENDINGS.sub("", path.name)
    if not stem or path.is_dir():
        raise UsageError(f"'{out}' is a folder", hint="Give the name of the new file, such as my-rig.rig.yaml.")
    if not _STEM.fullmatch(stem) or stem.split(".")[0].strip().upper() in RESERVED_NAMES:
        raise UsageError(f"'{stem}' cannot be the name of a rig", hint="Use letters, digits, '-', '_', '.' and blanks.")
    return path.with_name(f"{stem}.rig.yaml")


def write_new_rig(new: NewRig) -> Path:
    """Write the rig file and its .cfg, both or none; return the rig file.

    Raises
    ------
    UsageError
        If an answer is not understood, or one of the files is there already.
    ConfigError
        If the template cannot take the answers.
    HccScopeError
        If the files cannot be written.
    """
    template = template_of(new)
    objectives = objectives_of(new)
    if len(objectives) > template.n_positions:
        raise UsageError(f"{len(objectives)} objectives, and the turret has {template.n_positions} positions")
    if new.port is not None and not template.needs_port:
        raise UsageError(f"the stand {stand_of(new.stand).name} has no serial port", hint="Leave it out.")
    if new.port is not None:
        check_port(new.port)
    if new.adapters_dir is not None and not template.needs_adapters:
        raise UsageError("the demo devices need no folder of Micro-Manager", hint="Leave it out.")
    rig_file = rig_file_of(new.out)
    name = rig_file.name.removesuffix(".rig.yaml")
    config = rig_file.with_name(f"{name}.cfg")
    camera = camera_of(new.camera)
    computed = [text.strip() for text in new.objectives if "=" not in text]
    doubt = "" if camera.verified else " (not verified: compare its data sheet)"
    remark = (
        f"Computed for {', '.join(computed)} from the {camera.pixel_um:g} um pixels of the camera{doubt} and a mount of"
        f" {new.mount:g}x: measure with a stage micrometer."
        if computed
        else "Sizes as given."
    )
    answers = Answers(
        name=name,
        title=f"{stand_of(new.stand).name} with {camera.name}",
        note=stand_of(new.stand).note,
        objectives=objectives,
        remark=remark,
        measured=not computed,
        frame_yx=camera.shape_yx,
        port=new.port,
        adapters_dir=None if new.adapters_dir is None else str(expanded(new.adapters_dir)),
    )
    cfg_text, rig_text = filled_template(template, answers)
    for path in (rig_file, config):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} exists already", hint="Give another name; nothing is overwritten.")
    with ExitStack() as undo:
        try:
            for folder in reversed([parent for parent in rig_file.parents if not parent.exists()]):
                folder.mkdir()
                undo.callback(folder.rmdir)
            for path, text in ((config, cfg_text), (rig_file, rig_text)):
                path.touch(exist_ok=False)  # another program may have made it just now: then it is not ours
                undo.callback(path.unlink, missing_ok=True)
                path.write_bytes(text.encode())
        except FileExistsError as error:
            raise UsageError(f"{error.filename} exists already", hint="Give another name.") from error
        except OSError as error:
            raise from_os_error(error) from error
        undo.pop_all()
    return rig_file


def lint_new_rig(rig_file: Path) -> tuple[Finding, ...]:
    """Return what the linter finds in a rig file and its .cfg.

    Raises
    ------
    ConfigError
        If a file cannot be read.
    """
    from hcc_scope.rig.rig_linter import lint_rig
    from hcc_scope.rig.rigfile import load_rig

    return tuple(lint_rig(load_rig(rig_file)))
