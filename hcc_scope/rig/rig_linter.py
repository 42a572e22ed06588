"""Judges a rig file against the configuration that it names, without loading either into a microscope."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from hcc_scope.rig.camera_roles import LIBRARIES
from hcc_scope.rig.cfg_lines import read_config
from hcc_scope.rig.config import lint
from hcc_scope.rig.device_kinds import KIND_WORDS, is_listed, known_kind
from hcc_scope.rig.devices import describe_config
from hcc_scope.rig.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hcc_scope.rig.devices import ConfigDescription, Device
    from hcc_scope.rig.findings import Finding
    from hcc_scope.rig.rigfile import Rig

__all__ = ["lint_rig", "lint_rig_file"]

_SAME = 1e-6
"""Relative difference up to which two pixel sizes are one."""


def lint_rig(rig: Rig, adapters_dir: Path | None = None) -> list[Finding]:
    """Return everything that is wrong with, or missing in, a rig file and its configuration.

    Parameters
    ----------
    rig : Rig
    adapters_dir : Path, optional
        Also check that the adapters are installed there.

    Raises
    ------
    ConfigError, DeviceError
        See `hcc_scope.rig.config.lint`.
    """
    return lint_rig_file(rig) + lint(rig.config, adapters_dir)


def lint_rig_file(rig: Rig) -> list[Finding]:
    """Return what is wrong with, or missing in, the rig file alone; nothing where there is only a configuration.

    Raises
    ------
    ConfigError
        If the configuration cannot be read.
    """
    if rig.path is None:
        return []
    findings = Findings(rig.path)
    for placeholder in rig.to_fill_in:
        findings.fill_in(placeholder)
    _judge(rig, describe_config(rig.config), _labels(rig.config), findings)
    return findings.all()


def _labels(cfg: Path) -> dict[str, dict[str, str]]:
    """Return the labels that a configuration gives, by device and position."""
    found: dict[str, dict[str, str]] = {}
    for line in read_config(cfg):
        if line.command == "Label" and len(line.fields) == 3:
            device, position, text = line.fields
            found.setdefault(device, {})[position] = text
    return found


def _judge(rig: Rig, config: ConfigDescription, labels: Mapping[str, Mapping[str, str]], findings: Findings) -> None:
    devices = {device.label: device for device in config.devices}

    def known(key: str, device: str | None) -> bool:
        if device is None or device in devices:
            return device is not None
        findings.error(
            rig.key_lines.get(key, 0),
            f"{key} names the device '{device}', which the configuration does not declare",
            _near(device, devices, "It declares"),
        )
        return False

    is_known = known("roles.objective", rig.roles.objective)
    if is_known and rig.roles.objective is not None:
        _judge_turret(rig, devices[rig.roles.objective], findings)
    if is_known and rig.handling.um_per_px:
        assert rig.roles.objective is not None
        _judge_sizes(rig, rig.roles.objective, labels.get(rig.roles.objective, {}), findings)
        _judge_presets(rig, rig.roles.objective, labels.get(rig.roles.objective, {}), config, findings)
    known("light.lamp", rig.handling.lamp)
    stages = [device.label for device in config.devices if "XYStage" in device.roles]
    if rig.handling.stand == "manual" and stages:
        findings.warn(
            rig.key_lines["stand"],
            f"the stand is manual, and '{stages[-1]}' is the configuration's motorised stage: plans may move it",
            "Correct the stand, or take the stage out of the configuration.",
        )
    if rig.handling.stand == "motorised" and not any(_may_be_a_stage(device.adapter) for device in config.devices):
        findings.warn(
            rig.key_lines["stand"],
            "the stand is motorised, and the configuration declares no XY stage: no plan can send it to fields",
            "Correct the stand, or add the stage to the configuration.",
        )
    if rig.handling.stand == "motorised" and "capture" in rig.key_lines:
        findings.warn(
            rig.key_lines["capture"],
            "the stand is motorised, and capture holds the rules by which fields are captured by hand: a plan does not"
            " use them",
            "Correct the stand, or keep them for 'acquire --by-hand'.",
        )
    cameras = [device for device in config.devices if "Camera" in device.roles]
    if rig.camera is not None and cameras and cameras[-1].library not in LIBRARIES[rig.camera]:
        findings.warn(
            rig.key_lines["camera"],
            f"the ready-made roles are those of '{rig.camera}', and the camera '{cameras[-1].label}' is driven by"
            f" '{cameras[-1].library}'",
            _kind_of(cameras[-1].library),
        )


def _judge_turret(rig: Rig, device: Device, findings: Findings) -> None:
    """Judge whether the objective's device has positions, as far as the adapters' sources show it."""
    kind = known_kind(device.library, device.adapter)
    if kind is not None and kind != "state":
        report = findings.error if is_listed(device.library, device.adapter) else findings.warn
        report(
            rig.key_lines.get("roles.objective", 0),
            f"roles.objective names the device '{device.label}', which is {KIND_WORDS[kind]} ({device.library}"
            f" {device.adapter}) and no turret",
            f"Name {KIND_WORDS['state']}, or remove the role.",
        )


def _may_be_a_stage(adapter: str) -> bool:
    return any(word in adapter.casefold() for word in ("xy", "stage"))


def _kind_of(library: str) -> str:
    for kind, libraries in LIBRARIES.items():
        if library in libraries:
            return f"Set camera: {kind}."
    return "Remove the key, and name the properties under roles."


def _judge_sizes(rig: Rig, device: str, labels: Mapping[str, str], findings: Findings) -> None:
    """Judge the labels of `um_per_px`; a device whose positions this configuration does not label has its own."""
    for label in rig.handling.um_per_px:
        if labels and label not in labels.values():
            findings.warn(
                rig.key_lines.get(f"um_per_px.{label}", 0),
                f"um_per_px names the objective '{label}', which the configuration gives to none of the positions of"
                f" '{device}'",
                _near(label, labels.values(), "Labels are"),
            )


def _judge_presets(
    rig: Rig, device: str, labels: Mapping[str, str], config: ConfigDescription, findings: Findings
) -> None:
    """Judge whether a pixel size preset contradicts `um_per_px`: a run that meets it is refused."""
    settings: dict[str, dict[tuple[str, str], str]] = {}
    for line in read_config(rig.config):
        if line.command == "ConfigPixelSize" and len(line.fields) == 4:
            preset, of, name, value = line.fields
            settings.setdefault(preset, {})[of, name] = value
    for preset, wanted in settings.items():
        label = wanted.get((device, "Label")) or labels.get(wanted.get((device, "State"), ""))
        um = rig.handling.um_per_px.get(label or "")
        size_um = config.pixel_sizes_um.get(preset, 0.0)
        if um is not None and size_um > 0 and abs(size_um - um) > _SAME * um:
            findings.error(
                rig.key_lines.get(f"um_per_px.{label}", 0),
                f"um_per_px gives {um:g} um for the objective '{label}', and the pixel size preset '{preset}' of the"
                f" configuration {size_um:g} um",
                "Correct the wrong one, or remove it.",
            )


def _near(text: str, known: Iterable[str], otherwise: str) -> str:
    names = list(known)
    near = difflib.get_close_matches(text, names, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"{otherwise}: {', '.join(names) or 'nothing'}."
