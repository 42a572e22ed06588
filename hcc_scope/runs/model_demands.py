"""What a model's card demands of frames, and whether they have it: one set of rules for a run and for a look ahead.

`check_demands` refuses a section before it begins (`hcc_scope.runs.section.check_frames`). `fit_on` compares the same
demands with a rig as it is set now, so that a model that does not fit is seen when it is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import sentence
from hcc_scope.research_use import specimen_kind
from hcc_scope.runs.model_shading import check_wish
from hcc_scope.runs.specimen import check_specimen
from hcc_scope.tiling import TileGrid
from hcc_scope.types import RunSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.inference.card import ModelCard
    from hcc_scope.runs.references import ShadingChoice
    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.shading.correction import Shading

__all__ = ["Demand", "ModelFit", "check_demands", "demands_of", "fit_on"]

_SHADING = {
    "required": "corrected by dark and flat fields",
    "accepted": "as they are, or corrected by dark and flat fields",
    "refused": "raw, never corrected",
}
_SPECIMEN = {
    "phantom": "a synthetic phantom",
    "simulated": "a demo camera's pattern",
    "unknown": "may be tissue",
}


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that a card demands of frames, beside what they have."""

    what: str
    demanded: str
    found: str
    refusal: HccScopeError | None = None
    """Why a run would be refused; None if the demand is met."""


@dataclass(frozen=True, slots=True)
class ModelFit:
    """A model's demands beside a rig as it is set."""

    model: str
    demands: tuple[Demand, ...]
    unknown: HccScopeError | None = None
    """Why the rig's frames are not known, which a run would be refused for as well; then there are no demands."""

    @property
    def refusal(self) -> HccScopeError | None:
        """What a run would be refused for first; None if the model fits."""
        return self.unknown or next((one.refusal for one in self.demands if one.refusal is not None), None)

    @property
    def fits(self) -> bool:
        """Whether a run would accept the model."""
        return self.refusal is None

    @property
    def sentence(self) -> str:
        """Whether the model fits the rig and, if not, why."""
        return f"The model {self.model} fits this rig as it is set." if self.fits else sentence(str(self.refusal))


def demands_of(
    card: ModelCard, spec: RunSpec, shading: Shading | None, *, allow_phantom_model: bool = True, references: str = ""
) -> tuple[Demand, ...]:
    """Compare what a card demands with a section's frames.

    Parameters
    ----------
    card : ModelCard
    spec : RunSpec
        Of the section, its tiles cut as the card wants them.
    shading : Shading or None
        The correction that there is.
    allow_phantom_model : bool
        Whether a model that knows a phantom only may score what may be tissue.
    references : str
        How dark and flat fields are, in words.

    Returns
    -------
    tuple of Demand
        In the order in which a run refuses them.
    """
    height, width = spec.frame_shape_yx
    of_section = f" of section {spec.section_id}" if spec.section_id else ""
    found = [
        Demand(
            "frame",
            f"{card.tile_px} x {card.tile_px} px at least",
            f"{width} x {height} px",
            _refusal(partial(TileGrid.for_frame, spec.frame_shape_yx, spec.tile_px)),
        ),
        Demand(
            "pixel size",
            f"{card.pixel_size_um:g} um, within {card.pixel_size_tolerance:.0%}",
            f"{spec.pixel_size_um:g} um" if spec.pixel_size_um > 0 else "unknown",
            _refusal(partial(card.check_pixel_size, spec.pixel_size_um, of_section=of_section)),
        ),
        Demand(
            "bit depth",
            str(card.bit_depth),
            str(spec.bit_depth),
            _refusal(partial(card.check_bit_depth, spec.bit_depth)),
        ),
        Demand("tiles", f"{card.tile_px} px", f"{spec.tile_px} px", _refusal(partial(card.check_tile, spec.tile_px))),
    ]
    if card.trained_on_phantom_only:
        kind = specimen_kind(spec.provenance)
        allowed = ", which --allow-phantom-model allows" if allow_phantom_model and kind == "unknown" else ""
        check = partial(check_specimen, card, spec, allow_phantom_model=allow_phantom_model)
        found.append(Demand("specimen", "a phantom, no tissue", f"{_SPECIMEN[kind]}{allowed}", _refusal(check)))
    found.append(
        Demand("shading", _SHADING[card.shading], references, _refusal(partial(_check_shading, card, spec, shading)))
    )
    return tuple(found)


def check_demands(
    card: ModelCard, spec: RunSpec, shading: Shading | None, *, allow_phantom_model: bool = True
) -> TileGrid:
    """Refuse frames that a model cannot classify; return how they are cut.

    Parameters
    ----------
    card, spec, shading, allow_phantom_model
        As in `demands_of`.

    Raises
    ------
    FrameSizeError, ModelMismatchError
        If the frames are smaller than a tile, or unlike those that the model was trained on, or not corrected as it
        requires.
    """
    for one in demands_of(card, spec, shading, allow_phantom_model=allow_phantom_model):
        if one.refusal is not None:
            raise one.refusal
    return TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)


def fit_on(
    rig: OpenRig,
    card: ModelCard,
    choice: ShadingChoice = "auto",
    *,
    painted: bool = False,
    allow_phantom_model: bool = False,
) -> ModelFit:
    """Compare what a card demands with a rig as it is set now. Nothing is moved or set.

    Parameters
    ----------
    rig : OpenRig
    card : ModelCard
    choice : {"auto", "none"}
        Whether fresh dark and flat fields would correct the frames.
    painted : bool
        Whether a phantom would be painted over the camera's image.
    allow_phantom_model : bool
        As in `demands_of`.
    """
    from hcc_scope.research_use import PHANTOM_SPECIMEN
    from hcc_scope.runs.references import references_there

    try:
        facts = rig.microscope.facts()
        # a correction that is not required decides nothing, and reading it takes time
        there = references_there(rig, choice, painted=painted, load=card.shading == "required")
    except HccScopeError as error:
        return ModelFit(card.name, (), error)
    specimen = {"specimen": PHANTOM_SPECIMEN} if painted else {}
    spec = RunSpec(
        facts.shape_yx,
        facts.bit_depth,
        facts.pixel_size_um,
        "",
        "",
        tile_px=card.tile_px,
        provenance={"camera_library": facts.library, **specimen},
    )
    demands = demands_of(
        card, spec, there.shading, allow_phantom_model=allow_phantom_model, references=there.describe()
    )
    return ModelFit(card.name, demands)


def _check_shading(card: ModelCard, spec: RunSpec, shading: Shading | None) -> None:
    check_wish(card, shading)
    if shading is not None:
        shading.check_fits(spec.frame_shape_yx, spec.bit_depth)


def _refusal(check: Callable[[], object]) -> HccScopeError | None:
    try:
        check()
    except HccScopeError as error:
        return error
    return None
