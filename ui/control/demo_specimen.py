"""The specimen of the demo camera: the phantom section that belongs to the ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcc_scope.microscope.phantom_scene import PhantomScene
    from hcc_scope.phantom import Specimen
    from ui.control.section_request import SectionRequest

__all__ = ["outline_specimen", "scene_of", "specimen_of"]

_NAMELESS = "preview"


def outline_specimen(request: SectionRequest) -> Specimen | None:
    """Return the request's phantom section for its outline, not grown yet; None for the camera's own pattern."""
    if request.specimen == "none":
        return None
    from hcc_scope.phantom import Specimen

    animal, section = request.animal_id or _NAMELESS, request.section_id or _NAMELESS
    kind = "high" if request.specimen == "hand" else request.specimen
    return Specimen(request.seed, animal, section, kind, day="app")


def specimen_of(request: SectionRequest, um_per_px: float) -> Specimen | None:
    """Return the request's phantom section, grown; None for the camera's own pattern. Takes a second."""
    from hcc_scope.runs.phantoms import grown

    specimen = outline_specimen(request)
    return None if specimen is None else grown(specimen, um_per_px)


def scene_of(request: SectionRequest, um_per_px: float) -> PhantomScene | None:
    """Return the same, under the demo camera."""
    specimen = specimen_of(request, um_per_px)
    if specimen is None:
        return None
    from hcc_scope.microscope.phantom_scene import PhantomScene

    return PhantomScene(specimen)
