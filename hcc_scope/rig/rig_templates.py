"""The shipped configurations as templates: for which stand and camera each is, and how it becomes another rig's.

A template stays as it is, comments included, except for what a person gives: the serial port, the objectives with the
size of a pixel, and the name of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, UsageError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig.camera_roles import LIBRARIES
from hcc_scope.rig.cfg_lines import read_config
from hcc_scope.rig.device_kinds import kinds_of
from hcc_scope.rig.placeholders import find_placeholders
from hcc_scope.rig.rigfile import load_rig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hcc_scope.rig.camera_roles import CameraKind
    from hcc_scope.rig.cameras import CameraModel

__all__ = ["STANDS", "Objective", "Stand", "Template", "choose_template", "filled_template", "templates"]


@dataclass(frozen=True, slots=True)
class Stand:
    """A microscope stand that there are templates for."""

    key: str
    """How options name it."""
    name: str
    pattern: str
    """What the names of its templates contain (a regular expression)."""


STANDS = (
    Stand("dmi3000b", "Leica DMI3000 B (manual)", r"dmi3000"),
    Stand("dmi4000b", "Leica DMI4000 B (motorised)", r"dmi4000|dmi[^-]*6000"),
    Stand("dmi6000b", "Leica DMI6000 B (motorised)", r"dmi6000|dmi4000[^-]*6000"),
    Stand("demo", "Demo devices (no microscope)", r"^demo"),
)


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective, as it shall be called, and the size of a pixel on the specimen with it."""

    label: str
    um_per_px: float
    """Without binning and magnifier."""


@dataclass(frozen=True, slots=True)
class Template:
    """A shipped pair of files."""

    name: str
    """Without its ending, such as ``demo``."""
    rig_file: Path
    config: Path
    camera: CameraKind | None
    turret: str | None
    """Label of the device that holds the objectives."""
    needs_port: bool
    """Whether a serial port is to be filled in."""


def templates() -> tuple[Template, ...]:
    """Return the shipped pairs, by name."""
    found = []
    for rig_file in sorted(hardware_configs_dir().glob("*.rig.yaml")):
        rig = load_rig(rig_file)
        lines = read_config(rig.config)
        cameras = [one.library for one in kinds_of(lines).values() if one.kind == "camera"]
        kinds = [kind for kind, libraries in LIBRARIES.items() if cameras and cameras[0] in libraries]
        missing = [one for line in lines for one in find_placeholders(",".join(line.fields), line.number)]
        found.append(
            Template(
                rig_file.name.removesuffix(".rig.yaml"),
                rig_file,
                rig.config,
                rig.camera or (kinds[0] if kinds else None),
                rig.roles.objective,
                any("port" in one.what.casefold() for one in missing),
            )
        )
    return tuple(found)


def choose_template(stand: Stand, camera: CameraModel) -> Template:
    """Return the shipped pair for a stand with a camera.

    Raises
    ------
    UsageError
        If there is none.
    """
    of_stand = [one for one in templates() if re.search(stand.pattern, one.name)]
    fitting = [one for one in of_stand if one.camera == camera.kind]
    if not fitting:
        there_are = ", ".join(sorted({str(one.camera) for one in of_stand})) or "none"
        raise UsageError(
            f"there is no template for the stand {stand.name} with the camera {camera.name}",
            hint=f"With this stand there are those for cameras of the kind: {there_are}.",
        )
    # of several, such as two models of one maker, the one that names this one
    named = [one for one in fitting if re.search(camera.pattern, one.name.replace("-", " "), re.IGNORECASE)]
    return (named or fitting)[0]


def filled_template(
    template: Template, config_name: str, *, port: str | None, objectives: Sequence[Objective], remark: str
) -> tuple[str, str]:
    """Return the texts of a rig's ``.cfg`` and rig file.

    Parameters
    ----------
    template : Template
    config_name : str
        Name of the new ``.cfg``, as YAML has it.
    port : str or None
        Serial port of the stand; None leaves the placeholder.
    objectives : sequence of Objective
        In the order of the turret's positions; none leaves those of the template.
    remark : str
        A sentence on where the sizes come from, for a comment.

    Raises
    ------
    ConfigError
        If the template cannot take them.
    """
    config = template.config.read_text(encoding="utf-8").splitlines()
    rig = template.rig_file.read_text(encoding="utf-8").splitlines()
    if port is not None:
        config = [_with_port(line, port) for line in config]
    if objectives:
        if template.turret is None:
            raise ConfigError(f"{template.rig_file} names no objective turret, so it cannot take objectives")
        config = _with_objectives(config, template.turret, objectives, remark)
        rig = _with_sizes(rig, objectives, remark)
    rig = [re.sub(r"^config:\s*\S+", lambda _: f"config: {config_name}", line) for line in rig]
    origin = "# Written by 'hcc-scope config new' from the template"
    return (
        "\n".join([f"{origin} {template.config.name}.", *config]) + "\n",
        "\n".join([f"{origin} {template.rig_file.name}.", *rig]) + "\n",
    )


def _with_port(line: str, port: str) -> str:
    if line.startswith("#"):
        return line
    for one in find_placeholders(line, 0):
        if "port" in one.what.casefold():
            line = re.sub(r"(?<![^,])<" + re.escape(one.what) + r"\s*: [^<>]+>(?=,|$)", lambda _: port, line)
    return line


def _with_objectives(config: list[str], turret: str, objectives: Sequence[Objective], remark: str) -> list[str]:
    """Replace labels, presets and pixel sizes of the turret's positions."""
    fields = [line.split(",") for line in config]
    sizes = [one[1] for one in fields if one[0] == "ConfigPixelSize" and turret in one[2:3]]
    positions = [int(one[2]) for one in fields if one[:2] == ["Label", turret] and len(one) > 2 and one[2].isdigit()]
    first = min(positions, default=0)
    labels = {one[3] for one in fields if one[:2] == ["Label", turret] and len(one) > 3}
    groups = [one[1] for one in fields if one[0] == "ConfigGroup" and one[3:5] == [turret, "Label"] and _own(one)]
    written: set[str] = set()
    found: list[str] = []
    for line, one in zip(config, fields, strict=True):
        if one[:2] == ["Label", turret]:
            block = [f"Label,{turret},{first + i},{objective.label}" for i, objective in enumerate(objectives)]
        elif one[0] == "ConfigGroup" and one[1:2] == groups[:1] and one[3:5] == [turret, "Label"]:
            block = [f"ConfigGroup,{groups[0]},{each.label},{turret},Label,{each.label}" for each in objectives]
        elif one[0].startswith(("ConfigPixelSize", "PixelSize")) and len(one) > 1 and one[1] in sizes:
            block = [f"# {remark}"]
            for each in objectives:
                block.append(f"ConfigPixelSize,Res{each.label},{turret},Label,{each.label}")
                block.append(f"PixelSize_um,Res{each.label},{each.um_per_px:g}")
        elif one[0] in ("ConfigGroup", "Property") and one[-3:-1] == [turret, "Label"] and one[-1] in labels:
            kept = one[-1] in [each.label for each in objectives]
            found.append(line if kept else ",".join([*one[:-1], objectives[0].label]))
            continue
        else:
            found.append(line)
            continue
        if block[0] not in written:
            written.add(block[0])
            found += block
    return found


def _own(fields: list[str]) -> bool:
    return fields[1:3] != ["System", "Startup"]


def _with_sizes(rig: list[str], objectives: Sequence[Objective], remark: str) -> list[str]:
    """Replace the key um_per_px of a rig file, if it has one."""
    found: list[str] = []
    inside = False
    for line in rig:
        if re.match(r"um_per_px\s*:", line):
            inside = True
            sizes = ", ".join(f'"{one.label}": {one.um_per_px:g}' for one in objectives)
            found += [f"# {remark}", f"um_per_px: {{{sizes}}}"]
        elif inside and (not line.strip() or line[:1] in (" ", "\t")):
            continue
        else:
            inside = False
            found.append(line)
    return found
