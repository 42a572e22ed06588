"""The shipped configurations as templates: for which stand and camera each is, and how it becomes another rig's.

A template stays as it is, comments included, except for what a person gives: the serial port, the objectives with the
size of a pixel, and the name of the file.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError, UsageError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.rig.camera_roles import LIBRARIES
from hcc_scope.rig.cfg_lines import read_config
from hcc_scope.rig.device_kinds import kinds_of
from hcc_scope.rig.filling import filled_rig
from hcc_scope.rig.placeholders import find_placeholders

if TYPE_CHECKING:
    from hcc_scope.rig.camera_roles import CameraKind
    from hcc_scope.rig.cameras import CameraModel

__all__ = [
    "STANDS",
    "Answers",
    "Objective",
    "Stand",
    "Template",
    "choose_template",
    "filled_template",
    "templates",
    "templates_of",
]


_ADAPTERS_DIR = re.compile(r"""adapters_dir:\s*["']?<.*>["']?\s*$""")


@dataclass(frozen=True, slots=True)
class Stand:
    """A microscope stand that there are templates for."""

    key: str
    """How options name it."""
    name: str
    pattern: str
    """What the names of its templates contain (a regular expression)."""
    note: str = ""
    """A sentence on how it may differ from them."""


STANDS = (
    Stand("dmi3000b", "Leica DMI3000 B (manual)", r"dmi3000"),
    Stand(
        "dmi4000b",
        "Leica DMI4000 B (motorised)",
        r"dmi[46]000",
        "Most DMI4000 B have no FocusDrive, and Micro-Manager refuses the line of a module that is not there: remove"
        " its lines, and z under stage_limits_um.",
    ),
    Stand("dmi6000b", "Leica DMI6000 B (motorised)", r"dmi[46]000"),
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
    n_positions: int
    """Of that turret."""
    needs_port: bool
    """Whether a serial port is to be filled in."""
    needs_adapters: bool
    """Whether Micro-Manager's own folder is."""


@cache
def templates() -> tuple[Template, ...]:
    """Return the shipped pairs, by name."""
    found = []
    for rig_file in sorted(hardware_configs_dir().glob("*.rig.yaml")):
        with tempfile.TemporaryDirectory() as folder:  # a rig file with something to fill in may not load
            rig, filled = filled_rig(rig_file, Path(folder))
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
                sum(line.command == "Label" and line.fields[:1] == (rig.roles.objective,) for line in lines),
                any("COM port" in one.what for one in missing),
                any(rig.key_lines.get("adapters_dir") == one.line for one in filled),
            )
        )
    return tuple(found)


def templates_of(stand: Stand) -> tuple[Template, ...]:
    """Return the shipped pairs for a stand."""
    return tuple(one for one in templates() if re.search(stand.pattern, one.name))


def choose_template(stand: Stand, camera: CameraModel) -> Template:
    """Return the shipped pair for a stand with a camera.

    Raises
    ------
    UsageError
        If there is none.
    """
    of_stand = templates_of(stand)
    fitting = [one for one in of_stand if one.camera == camera.kind]
    if not fitting:
        there_are = ", ".join(sorted({str(one.camera) for one in of_stand})) or "none"
        raise UsageError(
            f"there is no template for the stand {stand.name} with the camera {camera.name}",
            hint=f"With this stand there are those for cameras of the kind: {there_are}.",
        )
    # of several, such as two models of one maker, the one that names this one
    named = [one for one in fitting if re.search(camera.pattern, one.name.replace("-", " "), re.IGNORECASE)]
    family = camera.name.split()[1].casefold()
    return min(named or [one for one in fitting if family in one.name] or fitting, key=lambda one: len(one.name))


@dataclass(frozen=True, slots=True)
class Answers:
    """What a template does not know."""

    name: str
    """Of the new files, without ending."""
    title: str
    """Stand and camera, for people."""
    note: str
    """What else is to be known, or an empty text."""
    objectives: tuple[Objective, ...]
    """In the order of the turret's positions."""
    remark: str
    """A sentence on where the sizes come from."""
    measured: bool
    """Whether all sizes were given, rather than computed."""
    frame_yx: tuple[int, int]
    """Size of the camera's frames, in pixels of 16 bits."""
    port: str | None = None
    """Serial port of the stand; None leaves the placeholder."""
    adapters_dir: str | None = None
    """Micro-Manager's folder; None leaves the placeholder."""


def filled_template(template: Template, answers: Answers) -> tuple[str, str]:
    """Return the texts of a rig's ``.cfg`` and rig file.

    Raises
    ------
    ConfigError
        If the template cannot take the answers.
    """
    if template.turret is None:
        raise ConfigError(f"{template.rig_file} names no objective turret, so it cannot take objectives")
    config = template.config.read_text(encoding="utf-8").splitlines()
    rig = template.rig_file.read_text(encoding="utf-8").splitlines()
    if answers.port is not None:
        config = [_with_port(line, answers.port) for line in config]
    config = _with_objectives(config, template.turret, answers)
    rig = _with_sizes(_with_frames(rig, answers.frame_yx), answers)
    if answers.measured:
        rig = _without_warning(rig, "nominal")
    if answers.adapters_dir is not None:
        folder = json.dumps(answers.adapters_dir, ensure_ascii=False)
        rig = [
            re.sub(r"^adapters_dir:\s*'?\"?<.*>'?\"?\s*$", lambda _: f"adapters_dir: {folder}", line) for line in rig
        ]
    schema = (template.rig_file.parent / "rig.schema.json").absolute().as_uri()
    rig = [line.replace("$schema=rig.schema.json", f"$schema={schema}") for line in rig]
    if not any(line.startswith("references_dir:") for line in rig):  # a shipped demo keeps nothing beside its files
        rig += ["# Dark and flat fields are kept in this folder, beside this file.", "references_dir: references"]
    return _named(config, template, answers, template.config), _named(rig, template, answers, template.rig_file)


def _named(lines: list[str], template: Template, answers: Answers, origin: Path) -> str:
    """Return a text with a heading, in which the template's file names are those of the new files."""
    own_config = f"config: {json.dumps(answers.name + '.cfg')}"
    old = re.compile(rf"(?<![\w.-]){re.escape(template.name)}(\.cfg|\.rig\.yaml)\b")
    text = "\n".join(
        own_config if re.match(r"config:\s", line) else old.sub(lambda found: answers.name + found[1], line)
        for line in lines
    )
    heading = (
        f"# {answers.title}. Written by 'hcc-scope config new' from its template {origin.name}, whose words follow."
    )
    note = f"# {answers.note}\n" if answers.note else ""
    return f"{heading}\n{note}{text}\n"


def _without_warning(rig: list[str], word: str) -> list[str]:
    """Return a rig file without the warning for the operator that holds a word, and without the key if none is left."""
    kept = [line for line in rig if not re.match(rf"\s+- .*\b{word}\b", line)]
    if len(kept) == len(rig):
        return rig
    return [
        line
        for i, line in enumerate(kept)
        if line.strip() != "warnings:" or (i + 1 < len(kept) and kept[i + 1].lstrip().startswith("- "))
    ]


def _with_port(line: str, port: str) -> str:
    if line.startswith("#"):
        return line
    for one in find_placeholders(line, 0):
        if "COM port" in one.what:
            line = re.sub(r"(?<![^,])<" + re.escape(one.what) + r"\s*: [^<>]+>(?=,|$)", lambda _: port, line)
    return line


def _with_objectives(config: list[str], turret: str, answers: Answers) -> list[str]:
    """Replace labels, presets and pixel sizes of the turret's positions."""
    objectives, remark = answers.objectives, answers.remark
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
                block.append(f"PixelSize_um,Res{each.label},{each.um_per_px:.10g}")
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


def _with_frames(rig: list[str], frame_yx: tuple[int, int]) -> list[str]:
    """Replace what a template states about its camera's frames and the buffer."""
    buffer = next(
        (re.match(r"buffer_size_mb\s*:\s*(\d+)", line) for line in rig if line.startswith("buffer_size")), None
    )
    if buffer is None:
        return rig
    frame_mib = frame_yx[0] * frame_yx[1] * 2 / 2**20
    about = f"# 16-bit frames of {frame_mib:.2g} MiB: room for {int(buffer[1]) / frame_mib:.0f} of them."
    return [about if line.startswith("# 16-bit frames of ") else line for line in rig]


def _with_sizes(rig: list[str], answers: Answers) -> list[str]:
    """Replace the key um_per_px of a rig file, if it has one."""
    found: list[str] = []
    inside = False
    for line in rig:
        if re.match(r"um_per_px\s*:", line):
            inside = True
            found = _without_nominal(found)
            sizes = ", ".join(f"{json.dumps(one.label)}: {one.um_per_px:.10g}" for one in answers.objectives)
            found += [f"# {answers.remark}", f"um_per_px: {{{sizes}}}"]
        elif inside and (not line.strip() or line[:1] in (" ", "\t")):
            continue
        else:
            inside = False
            found.append(line)
    return found


def _without_nominal(above: list[str]) -> list[str]:
    """Return lines without the end of the comment that derives a template's sizes: from the word ``NOMINAL:`` on."""
    for i in range(len(above) - 1, -1, -1):
        if not above[i].startswith("#"):
            break
        text, nominal, _ = above[i].partition(" NOMINAL:")
        if nominal:
            return [*above[:i], text]
    return above
