"""``hcc-scope exposure try``: find an exposure, and show each shot."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.prescan import phantom_of
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import interruptible

if TYPE_CHECKING:
    from hcc_scope.microscope.demo_scene import Scene

__all__ = ["run_try"]


def run_try(
    rig_name: str, *, target: float | None, phantom: str | None, animal: str, section: str, json_mode: bool
) -> None:
    """Find the exposure for a mean level.

    Raises
    ------
    CameraError
        If no exposure gives it.
    """
    from hcc_scope.microscope.auto_exposure import TARGET_LEVEL, auto_exposure
    from hcc_scope.microscope.device_controls import DeviceControls
    from hcc_scope.microscope.preview import Preview

    console = people(json_mode=json_mode)
    specimen = phantom_of(phantom, 0, animal, section)
    scene: Scene | None = None
    if specimen is not None:
        from hcc_scope.microscope.phantom_scene import PhantomScene

        scene = PhantomScene(specimen)
    with interruptible("no exposure was found"), open_rig(rig_name, console) as rig:
        microscope = rig.microscope
        preview = Preview(microscope, scene)
        wanted = TARGET_LEVEL if target is None else target
        found = auto_exposure(microscope, DeviceControls(microscope), preview, wanted)
    if json_mode:
        print_json(asdict(found))
        return
    for one in found.readings:
        clipped = f", {100 * one.clipped:.1f} % at full scale" if one.clipped else ""
        console.note(
            f"  {one.exposure_ms:10.4g} ms  mean {100 * one.level:5.1f} %  top {100 * one.top:5.1f} %{clipped}"
        )
    console.note(found.sentence(), "green" if found.outcome == "reached" else "yellow")
