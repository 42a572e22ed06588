"""The keys of a rig file, and the JSON Schema that editors complete them from."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from hcc_scope.rig.camera_roles import CAMERA_KINDS, CameraKind
from hcc_scope.types import CaptureRules, RigRoles

__all__ = ["RigFile", "rig_schema"]

_LONGEST_EXPOSURE_MS = 3_600_000.0
"""An hour, as in plans."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _two(value: object) -> object:
    if isinstance(value, list) and len(value) == 2:
        return tuple(value)
    raise ValueError("must be two numbers, [lowest, highest]")


_Span = Annotated[tuple[FiniteFloat, FiniteFloat], BeforeValidator(_two)]
_ExposureMs = Annotated[
    FiniteFloat, WithJsonSchema({"type": "number", "minimum": 0, "maximum": int(_LONGEST_EXPOSURE_MS)})
]
_Exposures = Annotated[tuple[_ExposureMs, _ExposureMs], BeforeValidator(_two)]
_Word = Annotated[str, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})]
"""A number in its place is taken for its digits."""
_Positive = Annotated[FiniteFloat, Field(gt=0)]
_Text = Annotated[str, Field(min_length=1)]


def _check_order(name: str, span: tuple[float, float] | None) -> None:
    if span is not None and span[0] >= span[1]:
        raise ValueError(f"the lower limit of {name} must be below its upper one")


class _Roles(_Strict):
    """Which camera properties play which role; null takes a ready-made one away."""

    em_gain: _Text | None = Field(
        default=None,
        description="Camera property that holds the electron-multiplying gain.",
    )
    em_switch: _Text | None = Field(
        default=None,
        description="Camera property that switches the EM gain off, or chooses a read-out port without it.",
    )
    em_switch_off: tuple[_Word, ...] = Field(
        default=(),
        description="Values of em_switch that mean off, in quotation marks; empty where they are plain (Off, 0).",
    )
    temperature: _Text | None = Field(
        default=None,
        description="Camera property with the measured sensor temperature in C.",
    )
    temperature_set_point: _Text | None = Field(
        default=None,
        description="Camera property with the wanted sensor temperature in C.",
    )
    readout: _Text | None = Field(
        default=None,
        description="Camera property that names the read-out mode.",
    )
    objective: _Text | None = Field(
        default=None,
        description="Label of the device (no property) whose position names the objective.",
    )

    @field_validator("em_switch_off", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        if isinstance(value, list) and any(isinstance(one, bool) for one in value):
            raise ValueError("put the words in quotes: YAML reads On, Off, Yes and No as true and false")
        if not isinstance(value, list):
            return value
        return tuple(str(one) if isinstance(one, int | float) else one for one in value)


class _StageLimits(_Strict):
    """Where the stage and the focus drive may go, in um; no move leads beyond."""

    x: _Span = Field(description="Lowest and highest x in um.")
    y: _Span = Field(description="Lowest and highest y in um.")
    z: _Span | None = Field(
        default=None,
        description="Lowest and highest position of the focus drive in um.",
    )

    @model_validator(mode="after")
    def _low_below_high(self) -> _StageLimits:
        for axis, span in (("x", self.x), ("y", self.y), ("z", self.z)):
            _check_order(axis, span)
        return self


class _Tolerance(_Strict):
    """How near to its target a device must come, in um; null follows the size of a field."""

    xy: _Positive | None = Field(default=None, description="Of the stage, in um.")
    z: _Positive | None = Field(default=None, description="Of the focus drive, in um.")


class _CameraLimits(_Strict):
    """What the camera may be set to."""

    em_gain: Annotated[FiniteFloat, Field(ge=1)] | None = Field(
        default=None,
        description="EM gain above which a person must agree: a high one ages the sensor.",
    )
    exposure_ms: _Exposures | None = Field(
        default=None,
        description="Shortest and longest exposure in ms; any other one is refused.",
    )

    @model_validator(mode="after")
    def _possible(self) -> _CameraLimits:
        _check_order("exposure_ms", self.exposure_ms)
        shortest, longest = self.exposure_ms or (0.0, 0.0)
        if shortest < 0 or longest > _LONGEST_EXPOSURE_MS:
            raise ValueError(f"exposure_ms must be from 0 to {_LONGEST_EXPOSURE_MS:,.0f} (an hour)")
        return self


class _Approach(_Strict):
    """How the stage and the focus drive come to a place."""

    settle_ms: Annotated[FiniteFloat, Field(ge=0, le=60_000)] = Field(
        default=0.0,
        description="Rest after a move before the exposure begins, in ms.",
    )
    backlash_xy_um: Annotated[FiniteFloat, Field(ge=0, le=1000)] = Field(
        default=0.0,
        description="Length of the last part of each move of the stage, in the positive direction, in um.",
    )
    backlash_z_um: Annotated[FiniteFloat, Field(ge=0, le=1000)] = Field(
        default=0.0,
        description="The same for the focus drive, in um.",
    )


class _Light(_Strict):
    """The lamp and the shutter."""

    lamp: _Text | None = Field(
        default=None,
        description="Label of the device that sets the light level.",
    )
    lamp_level: _Text | None = Field(default=None, description="Its property that holds the level.")
    auto_shutter: bool | None = Field(
        default=None,
        description="Whether a section uses the automatic shutter; null leaves it as it is found.",
    )

    @model_validator(mode="after")
    def _both(self) -> _Light:
        if (self.lamp is None) != (self.lamp_level is None):
            raise ValueError("lamp (a device) and lamp_level (its property) belong together")
        return self


_Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
_RULES = CaptureRules()


class _Capture(_Strict):
    """When a field is captured by itself on a stand that is moved by hand."""

    still_um_s: _Positive = Field(
        default=_RULES.still_um_s,
        description="Largest speed at which a field is still, in um/s.",
    )
    still_ms: Annotated[FiniteFloat, Field(ge=0, le=60_000)] = Field(
        default=_RULES.still_ms,
        description="How long a field is still before it is captured, in ms.",
    )
    focus_min: _Share = Field(
        default=_RULES.focus_min,
        description="Least sharpness, as a share of the best of the last minute.",
    )
    tissue_min: _Share = Field(
        default=_RULES.tissue_min,
        description="Least share of the field that is textured as tissue is.",
    )
    saturated_max: _Share = Field(
        default=_RULES.saturated_max,
        description="Largest share of pixels at full scale.",
    )
    level_min: _Share = Field(
        default=_RULES.level_min,
        description="Least mean level, as a share of full scale.",
    )
    overlap_max: _Share = Field(
        default=_RULES.overlap_max,
        description="Largest share of the field that a captured one may cover.",
    )

    def rules(self) -> CaptureRules:
        return CaptureRules(**self.model_dump())


class RigFile(_Strict):
    """What a Micro-Manager configuration cannot state about a microscope. Lengths are in um, times in ms."""

    config: _Text = Field(description="The Micro-Manager .cfg file: beside this file, or an absolute path.")
    adapters_dir: _Text | None = Field(
        default=None,
        description="Folder of the device adapters: Micro-Manager's own; null: the demo adapters that come along.",
    )
    buffer_size_mb: Annotated[int, Field(gt=0)] = Field(
        default=1024,
        description="The camera's ring buffer in MiB; it must fit into the memory that is free.",
    )
    stand: Literal["manual", "motorised"] | None = Field(
        default=None,
        description="Whether stage and focus are moved by hand; null: as the devices are.",
    )
    camera: CameraKind | None = Field(
        default=None,
        description="Adapter of the camera, for ready-made roles; keys of 'roles' override them one by one.",
    )
    roles: _Roles = Field(
        default=_Roles(),
        description="Which camera properties and which device play which role.",
    )
    pixel_size_um: _Positive | None = Field(
        default=None,
        description="Size of a pixel on the specimen without binning and magnifier, whatever the objective;"
        " replaces the .cfg's presets. Not together with um_per_px.",
    )
    um_per_px: dict[str, _Positive] = Field(
        default={},
        description="Size of a pixel on the specimen without binning and magnifier, by label of the objective."
        " It needs roles.objective.",
    )
    stage_limits_um: _StageLimits | None = Field(
        default=None,
        description="Where stage and focus drive may go.",
    )
    stage_tolerance_um: _Tolerance = Field(
        default=_Tolerance(),
        description="How near to its target a device must come.",
    )
    limits: _CameraLimits = Field(
        default=_CameraLimits(),
        description="Limits of the settings of the camera.",
    )
    approach: _Approach = Field(
        default=_Approach(),
        description="How stage and focus drive come to a place.",
    )
    light: _Light = Field(default=_Light(), description="Lamp and shutter.")
    capture: _Capture = Field(
        default=_Capture(),
        description="Rules by which fields are captured on a stand that is moved by hand.",
    )
    references_dir: _Text | None = Field(
        default=None,
        description="Folder of dark and flat fields: beside this file, or an absolute path.",
    )
    warnings: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = Field(
        default=(),
        description="Sentences for the operator, shown when the rig opens.",
    )

    def all_roles(self) -> RigRoles:
        """Return the roles: those of the camera's kind, overridden by each key that the file gives."""
        given = {name: getattr(self.roles, name) for name in self.roles.model_fields_set}
        if "em_switch" in given and "em_switch_off" not in given:
            given["em_switch_off"] = ()  # the ready-made words belong to the ready-made switch
        ready_made: dict[str, Any] = {} if self.camera is None else dict(CAMERA_KINDS[self.camera])
        if given.get("em_gain", "") is None:
            ready_made.pop("em_switch", None)  # without a gain there is nothing to switch
        assumed = frozenset(ready_made.keys() - given.keys() - {"em_switch_off"})
        return RigRoles(**{**ready_made, **given, "assumed": assumed})


def rig_schema() -> str:
    """Return the JSON Schema of a rig file as text, for editors."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **RigFile.model_json_schema(),
        "title": "HCC-Scope rig file",
    }
    return json.dumps(_without_titles(schema, top=True), indent=2, ensure_ascii=False) + "\n"


def _without_titles(node: object, *, top: bool = False) -> object:
    """Drop the titles that repeat the keys: editors show them in the place of the descriptions."""
    if isinstance(node, list):
        return [_without_titles(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_titles(value)
        for key, value in node.items()
        if top or key != "title" or not isinstance(value, str)
    }
