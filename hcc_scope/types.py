"""The values that travel through the pipeline: frozen, slotted, every number with its unit in its name.

Nothing here does work; see the module that produces a value for how it is made.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "CaptureRules",
    "Classification",
    "Counts",
    "Drift",
    "ExcludedBounds",
    "Frame",
    "FrameOutcome",
    "FrameResult",
    "NoteKind",
    "QualityFlag",
    "RigHandling",
    "RigRoles",
    "RunOutcome",
    "RunSpec",
    "RunState",
    "SampleCounts",
    "Sampling",
    "ScoreWeight",
    "SectionScore",
    "SkipReason",
    "Snapshot",
    "StageLimits",
    "StageTolerance",
    "TagValue",
]

TagValue = str | int | float | bool | None
"""What a frame's tag may hold: any scalar of JSON."""

Sampling = Literal["random", "raster", "positions", "time_series", "sequence", "guided", "chosen", "imported"]
"""How the fields were chosen; only ``random`` makes the score's interval valid, and ``guided`` once it is complete: a
random sample that was drawn first and then visited by hand. ``chosen``: by the operator, freely. ``imported``: another
program took the images, and how their fields were chosen is not known."""

SkipReason = Literal["bare glass", "fold", "not reachable"]
"""Why a drawn field of a guided section is skipped. The first two hold nothing to classify; the last one may."""

ScoreWeight = Literal["field", "tissue"]
"""What a field counts in the section's score: every field the same, or as many as it has usable tiles."""

RunState = Literal["completed", "cancelled", "failed"]
FrameOutcome = Literal["classified", "excluded", "failed"]
NoteKind = Literal["note", "exclude", "include", "spoilt", "retake", "label"]
"""A note: a remark; that a field is excluded from (or included again in) the score, or was taken again; or the label of
the section for training. A run adds ``spoilt`` and ``retake`` itself."""


class QualityFlag(enum.IntFlag):
    """Why a tile is not classified; several reasons can hold at once. 0 means that it is."""

    NO_TISSUE = 1
    OUT_OF_FOCUS = 2
    SATURATED = 4
    UNDER_EXPOSED = 8
    UNLIKE_TRAINING = 16
    """Set by the model and not by `hcc_scope.quality`: farther from the training tiles than the card allows."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure, with everything that was read back from the rig for it.

    The devices are read after each single exposure. During a full-rate sequence there is no time for that: exposure
    time, gain, temperature, objective, pixel size and bit depth are then up to a second old, and the stage is read as
    often as its own speed allows.
    """

    seq: int
    """Our own dense number in the run: 0, 1, 2 ..."""
    pixels: NDArray[np.uint16]
    """(y, x) raw counts, C-contiguous, owned and read-only."""
    t_mono_ns: int
    """End of the exposure on this process's monotonic clock."""
    t_utc: datetime
    """End of the exposure in UTC."""
    exposure_ms: float
    """As read back from the camera."""
    section_id: str
    em_gain: float | None = None
    stage_um: tuple[float, float, float | None] | None = None
    """x, y, z read back from the stage; z is None without a focus drive, all None without a stage."""
    camera_frame: int | None = None
    """The device's own counter (gaps are lost frames), or None where it has none."""
    pixel_size_um: float | None = None
    bit_depth: int = 16
    temperature_c: float | None = None
    objective: str | None = None
    tags: Mapping[str, TagValue] = field(default_factory=dict)
    """Everything else that the camera or the plan records about this frame."""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """Where the stage may go, in its own coordinates; both ends belong to it."""

    x_um: tuple[float, float]
    y_um: tuple[float, float]
    z_um: tuple[float, float] | None = None
    """None where there is no focus drive to limit."""


@dataclass(frozen=True, slots=True)
class StageTolerance:
    """How near to its target a device must come; None: derived from the size of a field."""

    xy_um: float | None = None
    z_um: float | None = None


@dataclass(frozen=True, slots=True)
class RigRoles:
    """Which property plays which part: every adapter names them differently. None: this rig has no such thing."""

    em_gain: str | None = None
    """Camera property that holds the electron-multiplying gain."""
    em_switch: str | None = None
    """Camera property that decides whether the gain above takes effect (`hcc_scope.microscope.em_switch`)."""
    em_switch_off: tuple[str, ...] = ()
    """Its values that mean that it does not; empty: its words are plain, such as ``Off`` or ``0``."""
    temperature: str | None = None
    """Camera property that holds the measured sensor temperature in degrees Celsius."""
    temperature_set_point: str | None = None
    """Camera property that holds the wanted sensor temperature in degrees Celsius."""
    readout: str | None = None
    """Camera property that names the read-out mode."""
    objective: str | None = None
    """Label of the state device whose position label names the objective."""
    assumed: frozenset[str] = frozenset()
    """Names of the roles above that follow from the kind of the camera: one that this camera does not have is left out,
    where one that the rig file itself names is an error."""


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """When a field of a hand-moved stand is captured by itself (`hcc_scope.by_hand.CaptureJudge`)."""

    still_um_s: float = 40.0
    """A field that moves no faster is still; at an exposure of 10 ms it smears by 0.4 um."""
    still_ms: float = 400.0
    """How long it is still before it is captured."""
    focus_min: float = 0.6
    """Least sharpness, as a share of the recent best."""
    tissue_min: float = 0.2
    """Least share of the field that is textured as tissue is."""
    saturated_max: float = 0.01
    """Largest share of pixels at full scale."""
    level_min: float = 0.05
    """Least mean level, as a share of full scale."""
    overlap_max: float = 0.25
    """Largest share of the field that a captured one may cover."""


@dataclass(frozen=True, slots=True)
class RigHandling:
    """How the devices of a rig are handled: limits, and what a real stage, turret and lamp need."""

    stand: Literal["manual", "motorised"] | None = None
    """Whether stage and focus are moved by hand; None: not stated, the devices decide."""
    em_gain_max: float | None = None
    """A higher EM gain ages the sensor and needs a confirmation."""
    exposure_ms: tuple[float, float] | None = None
    """Shortest and longest exposure."""
    settle_ms: float = 0.0
    """How long the stage rests after a move before the exposure begins."""
    backlash_xy_um: float = 0.0
    """A move of the stage ends with this way in the positive direction of each axis, so that play does not count."""
    backlash_z_um: float = 0.0
    """The same for the focus drive."""
    um_per_px: dict[str, float] = field(default_factory=dict)
    """By label of the objective; without binning and magnifier."""
    lamp: str | None = None
    """Label of the device that sets the light level."""
    lamp_level: str | None = None
    """Its property."""
    auto_shutter: bool | None = None
    """Whether a section uses the automatic shutter; None leaves it as it is found."""
    capture: CaptureRules = CaptureRules()
    """When a field is captured by itself on a hand-moved stand."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What is known before the first frame of a section."""

    frame_shape_yx: tuple[int, int]
    bit_depth: int
    pixel_size_um: float
    animal_id: str
    section_id: str
    tile_px: int = 512
    camera_axes: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    """How the camera lies over the stage (`hcc_scope.orientation.Orientation.matrix`); as given: not turned."""
    dtype: str = "uint16"
    sampling: Sampling = "random"
    expected_frames: int | None = None
    """None for an open-ended run."""
    model_sha256: str | None = None
    rig_sha256: str | None = None
    """sha256 of the .cfg file that was loaded."""
    software: Mapping[str, str] = field(default_factory=dict)
    """Versions of the programs and adapters involved."""
    provenance: Mapping[str, TagValue] = field(default_factory=dict)
    """Free facts worth keeping (specimen is a phantom, plan's seed, model name ...)."""


@dataclass(frozen=True, slots=True)
class Classification:
    """What a model answers for n tiles."""

    logits: NDArray[np.float32]
    """(n, 2), columns *low*, *high*."""
    distances: NDArray[np.float32] | None = None
    """(n,) each tile's distance from the model's training tiles, finite and at least 0; None if it gives none."""


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The result of the analysis of one frame. Arrays have one entry per tile, in `TileGrid` order."""

    seq: int
    outcome: FrameOutcome
    logits: NDArray[np.float32]
    """(n,) uncalibrated log-odds of *high* against *low* (high minus low logit); NaN where the model was not asked.

    Kept for a tile that is unlike the training tiles, as a record of what the model answered; it enters nothing."""
    probabilities: NDArray[np.float32]
    """(n,) calibrated probability of *high*; NaN where not classified, or unlike the training tiles."""
    flags: NDArray[np.uint8]
    """(n,) bit set of `QualityFlag`."""
    engine: str
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds per stage; ``total`` runs from the end of the exposure to the score."""
    error: str | None = None
    """Why the frame failed, as text, for outcome ``failed``."""
    distances: NDArray[np.float32] | None = None
    """(n,) distance from the training tiles, NaN where the model was not asked about the tile; None if it measures
    none, or was not asked about any."""
    level: float | None = None
    """Mean grey level of the tiles that the model was asked about, as a share of full scale, of what was classified
    (corrected or not); None without such a tile, and in results of earlier versions."""
    focus: float | None = None
    """Mean focus of these tiles (`hcc_scope.quality`)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Where every frame is. ``acquired == classified + excluded + failed + deferred + pending``, always."""

    acquired: int = 0
    stored: int = 0
    classified: int = 0
    excluded: int = 0
    failed: int = 0
    deferred: int = 0
    """Put off because analysis was busy; classified later from the store."""
    pending: int = 0
    """Acquired, waiting for or in analysis."""
    lost: int = 0
    """Never reached us (camera buffer overflow); not part of `acquired`."""
    skipped: int = 0
    """Fields of the plan that were left out, as the stage did not reach them; not part of `acquired`."""

    def balanced(self) -> bool:
        """Return whether the invariant holds."""
        return self.acquired == (self.classified + self.excluded + self.failed + self.deferred + self.pending)


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """What became of the drawn fields of a guided section."""

    drawn: int
    """0 before they are drawn."""
    reached: int
    """Captured within the tolerance, and not undone."""
    skipped: Mapping[SkipReason, int] = field(default_factory=dict)
    """By reason; reasons without a field are left out."""
    not_of_sample: int = 0
    """Frames that show no drawn field, or one that another frame shows; they are stored and enter nothing."""


@dataclass(frozen=True, slots=True)
class ExcludedBounds:
    """What a section's score would be at the extremes of the fields that have none."""

    fields: int
    """Fields without a score: excluded by the quality check or by a person, failed, lost, or skipped by hand."""
    low: float
    """The score if all of them scored 0."""
    high: float
    """The score if all of them scored 1."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What a test for drift over the order of the fields found (`hcc_scope.drift`)."""

    fields: int
    """Fields tested."""
    evidence: float
    """The largest capital so far; 20 or more is reached with a probability of at most 5 % if nothing drifts."""
    found_in: tuple[str, ...] = ()
    """The quantities that drift, by `hcc_scope.drift.QUANTITIES`; empty if no drift was found."""


@dataclass(frozen=True, slots=True)
class SectionScore:
    """The running score of one section, its *mean tile probability*.

    The mean over frames of the mean probability of *high* over included tiles; it is no probability that the section
    is high.
    """

    score: float | None
    """None until a frame was classified."""
    interval: tuple[float, float]
    """Anytime-valid, at confidence `confidence`; (0, 1) before the first frame."""
    interval_frames: int
    """How many classified frames, in order of `seq` (guided: of the draw) without a hole, the interval rests on."""
    interval_valid: bool
    """False when the fields were not sampled at random, or a guided section has drawn fields that are open."""
    confidence: float
    threshold: float
    """The model card's decision threshold."""
    stabilised: bool
    stabilised_reason: str
    """Why (not), as text."""
    frames: int
    """Frames that entered the score."""
    tiles: int
    """Tiles that entered the score."""
    tiles_excluded: Mapping[str, int]
    """Excluded tiles by reason (names of `QualityFlag`, lower case); a tile counts under each of its reasons."""
    fields_excluded_by_operator: int = 0
    """Fields that a person excluded from the score; their tiles are counted nowhere here."""
    spoilt: str | None = None
    """Why the fields are no random choice although the plan was one, as half a sentence; None if they are."""
    sample: SampleCounts | None = None
    """Of a guided section; None for any other."""
    threshold_interval: tuple[float, float] | None = None
    """Of the threshold, at 95 %, as the model's card has it: a score whose interval meets it is undecided. None: the
    card has none, and the threshold counts as known."""
    weight: ScoreWeight = "field"
    """What each frame counts in the mean."""
    n_lattice: int | None = None
    """Fields of the lattice whose mean the interval is about; None where that is not known."""
    excluded_bounds: ExcludedBounds | None = None
    """None if every field has a score, or none has."""
    drift: Drift | None = None
    """None where the order of the fields is not random, or that of a store whose rule has no such test."""
    retaken: Mapping[int, int] = field(default_factory=dict)
    """Fields for which a retake counts (`hcc_scope.retakes`): number of the first frame to that of the retake."""
    set_aside: tuple[int, ...] = ()
    """Frames that do not count, as another frame of the same field does; ascending. They are no excluded fields."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended."""

    state: RunState
    cause: BaseException | None
    """The first error, with later ones as its notes; None if completed or cancelled."""
    counts: Counts
    score: SectionScore
    degraded: str | None = None
    """Why analysis stopped working while storage went on, or None."""
    store: str | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    """acquire_fps, store_fps, classify_fps, end_to_end_fps."""
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    """p50, p95, p99 from the end of an exposure to its score."""
    latency_bins: Mapping[int, int] = field(default_factory=dict)
    """The same latencies for `hcc_scope.latency.LatencyHistogram.merged`: percentiles over several runs."""
    interval_s: float | None = None
    """Time between the frames of a time series or sequence, as measured; None if it has none."""
    remark: str | None = None
    """What deviated from the request although the run continued, as text."""
    excluded_by_operator: tuple[int, ...] = ()
    """`seq` of the fields that a person had taken out of `score` when the run ended, ascending."""
    readings: Mapping[str, TagValue] = field(default_factory=dict)
    """What the section shows of its microscope (`hcc_scope.readings`); empty if no frame was analysed."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a user interface polls: immutable, consistent, cheap."""

    phase: Literal["starting", "running", "draining", "finished"]
    counts: Counts
    score: SectionScore
    expected_frames: int | None
    elapsed_s: float
    eta_s: float | None
    acquire_fps: float
    store_fps: float
    classify_fps: float
    store_queue_fill: float
    """0 to 1, of the bounded bytes."""
    analyse_queue_fill: float
    latest: Frame | None
    latest_result: FrameResult | None
    degraded: str | None
    message: str
    """The last thing worth telling an operator; empty if nothing."""
    paused: bool = False
    """Whether no further frame is taken for now; what was acquired is still stored and classified."""
    activity: str = ""
    """What the source does at this moment besides its frames, such as focusing; `message` shows it too."""
    pause_reason: str = ""
    """Why the run has paused by itself, and what to do, as text; empty if a person paused it, or it is not paused."""
