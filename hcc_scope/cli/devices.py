"""``hcc-scope devices``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hcc_scope.cli.console import people, print_json
from hcc_scope.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.rig.devices import ConfigDescription, Property

__all__ = ["run_devices"]


def run_devices(
    *, config: Path | None, rig: str | None, adapters: Path | None, properties: bool, json_mode: bool
) -> None:
    """Show what is installed, and what a configuration contains; with `properties`, load it and ask its devices.

    Raises
    ------
    DeviceError
        If core and adapters do not fit each other.
    """
    from hcc_scope.rig.config import check
    from hcc_scope.rig.devices import describe_config, describe_installation, read_properties
    from hcc_scope.rig.files import check_adapters_dir
    from hcc_scope.rig.rigfile import load_rig
    from hcc_scope.small_files import expanded

    if config is not None and rig is not None:
        raise UsageError("--rig and --config exclude each other", hint="A rig file names its .cfg itself.")
    if properties and config is None and rig is None:
        raise UsageError("--properties needs --config or --rig")
    named = rig if rig is not None else None if config is None else str(config)
    chosen = None if named is None else load_rig(named)
    if adapters is None and chosen is not None:
        # what the rig file says of the camera may be what is looked for here
        chosen.need_filled_in(but=tuple(key for key in chosen.key_lines if key != "adapters_dir"))
    folder = expanded(adapters) if adapters is not None else None if chosen is None else chosen.adapters_dir
    if folder is not None:
        check_adapters_dir(folder)
    installation = describe_installation(folder)
    description = None if chosen is None else describe_config(chosen.config)
    loaded: Mapping[str, tuple[Property, ...]] | None = None
    if properties and chosen is not None:
        check(chosen.config, folder, presets_may_wait=True)
        loaded = read_properties(chosen.config, folder)
    if json_mode:
        found: dict[str, Any] = {"installation": asdict(installation)}
        if description is not None:
            found["config"] = asdict(description)
        if loaded is not None:
            found["properties"] = {label: [asdict(one) for one in many] for label, many in loaded.items()}
        print_json(found)
    else:
        console = people(json_mode=False)
        for name, number in installation.versions.items():
            console.note(f"{name:>18}  {number}")
        interfaces = f"core {installation.core_interface}, adapters {installation.adapters_interface or 'unknown'}"
        console.note(f"  device interface  {interfaces}")
        console.note(f"          adapters  {', '.join(installation.adapters) or 'none'}")
        console.note(f"                    in {installation.adapters_dir}")
        if description is not None:
            _show_config(description, console)
        if loaded is not None:
            _show_properties(loaded, console)
    if installation.mismatch:
        raise DeviceError(installation.mismatch, hint="Install the pair that belongs together; see pyproject.toml.")


def _show_config(description: ConfigDescription, console: People) -> None:
    table = Table(title=Text(description.path, style="table.title"), title_justify="left")
    for heading in ("device", "library", "adapter", "roles", "hub"):
        table.add_column(heading)
    for device in description.devices:
        cells = (device.label, device.library, device.adapter, ", ".join(device.roles), device.hub or "")
        table.add_row(*map(Text, cells))
    console.show(table)
    for group, presets in description.groups.items():
        console.note(f"  group {group}: {', '.join(presets)}")
    for preset, size_um in description.pixel_sizes_um.items():
        console.note(f"  pixel size {preset}: {size_um:g} um")


def _show_properties(loaded: Mapping[str, tuple[Property, ...]], console: People) -> None:
    for label, many in loaded.items():
        console.note(label, "bold")
        for one in many:
            what = " (read-only)" if one.read_only else ""
            if one.allowed:
                what += f" one of {', '.join(one.allowed)}"
            if one.limits is not None:
                what += f" from {one.limits[0]:g} to {one.limits[1]:g}"
            console.note(f"  {one.name} = {one.value}{what}")
