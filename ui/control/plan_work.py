"""Work on the plan of the next section; it runs in the worker ``rig``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.formatting import counted
from ui.control.demo_specimen import outline_specimen, scene_of
from ui.control.loaded_rig import DRAWING, end_preview
from ui.control.running import plan_of_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hcc_scope.microscope.phantom_scene import PhantomScene
    from hcc_scope.orientation import Orientation
    from hcc_scope.phantom import Specimen
    from hcc_scope.plans import Plan
    from hcc_scope.runs.prescan import Prescan
    from hcc_scope.types import Frame
    from hcc_scope.workers import StopToken
    from ui.control.loaded_rig import Doing, LoadedRig
    from ui.control.section_request import SectionRequest

__all__ = ["dry_run", "look_for_tissue", "save_plan_of", "scan_quickly"]


def look_for_tissue(
    doing: Doing,
    loaded: LoadedRig,
    request: SectionRequest,
    stop: StopToken,
    progress: Callable[[int, int], None],
    seen: Callable[[Frame, Orientation], None],
) -> Prescan | None:
    """Scan the plan's area around the stage; on a demo rig, of the chosen specimen."""
    from hcc_scope.runs.prescan import PrescanRequest, prescan

    area, scene = _scan_of(doing, loaded, request)
    with doing("looking for tissue"):
        return prescan(loaded.rig.microscope, PrescanRequest(area), stop, scene, progress, seen)


def scan_quickly(
    doing: Doing,
    loaded: LoadedRig,
    request: SectionRequest,
    stop: StopToken,
    progress: Callable[[int, int], None],
    seen: Callable[[Frame, Orientation], None],
) -> int:
    """Look at the plan's area around the stage with a few fields, and return how many there were."""
    from hcc_scope.runs.prescan import PrescanRequest, quick_scan

    area, scene = _scan_of(doing, loaded, request)
    with doing("scanning quickly"):
        return quick_scan(loaded.rig.microscope, PrescanRequest(area), seen, stop, scene, progress)


def _scan_of(
    doing: Doing, loaded: LoadedRig, request: SectionRequest
) -> tuple[tuple[float, float, float, float], PhantomScene | None]:
    """Return the plan's area around the stage, and what the demo camera shows of it."""
    end_preview(loaded)
    area = loaded.rig.area_around_stage_um(request.plan.area_um, hint="Draw the outline by hand.")
    um_per_px = loaded.rig.microscope.facts().pixel_size_um
    scene = None
    if loaded.is_demo and request.specimen != "none":
        with doing(DRAWING):
            scene = scene_of(request, um_per_px)
    return area, scene


def _plan(loaded: LoadedRig, request: SectionRequest) -> tuple[Plan, Specimen | None]:
    from hcc_scope.runs.phantoms import outline_points

    specimen = outline_specimen(request) if loaded.is_demo else None
    return plan_of_request(request, loaded.rig, None if specimen is None else outline_points(specimen)), specimen


def save_plan_of(loaded: LoadedRig, request: SectionRequest, path: Path) -> str:
    """Save the plan that is chosen as a file, or its places for Micro-Manager (``.pos``), and return a sentence."""
    from hcc_scope.plans import save_plan
    from hcc_scope.plans.stage_positions import POS_SUFFIX
    from hcc_scope.runs.position_export import export_positions

    plan, _ = _plan(loaded, request)
    if path.suffix.lower() == POS_SUFFIX:
        n = export_positions(loaded.rig, plan, path).n_positions
        return f"{counted(n, 'position')} of the plan for Micro-Manager: {path}."
    save_plan(plan, path)
    return f"The plan was saved as {path}."


def dry_run(loaded: LoadedRig, request: SectionRequest) -> str:
    """Check the plan that is chosen as a run would, and return what it takes, a line each."""
    from hcc_scope.inference.card import read_card
    from hcc_scope.inference.catalogue import find_model
    from hcc_scope.runs.plan_check import check_plan_on
    from hcc_scope.storage.naming import refuse_taken

    if not request.id_problem:
        refuse_taken(request.store)
    plan, specimen = _plan(loaded, request)
    outline = None if specimen is None else specimen.outline_um
    found = check_plan_on(
        loaded.rig,
        plan,
        out_dir=request.out_dir,
        outline_um=outline,
        card=read_card(find_model(request.model)) if request.model else None,
        shading=request.shading,
        painted=specimen is not None,
    )
    return "\n".join(("The rig can carry this plan out.", *found.lines()))
