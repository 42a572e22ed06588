"""A labelled cohort of phantom animals, with effects of known size, to test the validation on.

Animals are named ``low-1``, ``high-3``. The phantom draws a specimen from its seed *and* its animal's name; here the
name it gets starts with ``training/``, which the pipeline refuses in an id (it is part of a file's name). So no seed
and no id of a demo or an acquisition can show a specimen that was trained on. The same holds for days.

Which day a section is imaged on decides what a day effect can do (`Days`). Balanced, the default, is what a careful
study does: section j of animal i of both classes on one day, so that the day's light, gain and staining batch reveal
nothing about the class. The other layouts let the day stand for the section, the animal or the class.

The operator sets the exposure once a day, so that bare glass is neither dark nor saturated, and leaves it within a
factor per field. Without that, a strong day effect would only cost tiles: saturated or dark ones are excluded.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.datasets.manifest import SMALLEST_PX, counted
from hcc_scope.errors import UsageError
from hcc_scope.phantom import EFFECTS, CameraPhysics, EffectSizes, Specimen
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.plans.geometry import scattered_fields

if TYPE_CHECKING:
    from hcc_scope.phantom import DayEffect

__all__ = ["CohortSpec", "Days", "PlannedField", "PlannedSection", "day_exposure_ms", "plan_cohort", "truth"]

Days = Literal["balanced", "per-section", "per-animal", "per-class"]

NAMESPACE = "training/"
EXPOSURE_MS = 10.0
FIRST_DAY = date(2026, 1, 5)
"""A Monday. Days are dates because a store's day is one; nothing was acquired on them."""
FIELDS_PER_SECTION = 32
"""More fields of 2048 px than this do not fit every section without overlap."""
FIRST_SECTIONS = 2
_PIXEL_UM = 0.325
GLASS_LEVEL = (0.30, 0.75)
"""Between these shares of full scale the operator keeps bare glass, by the exposure; 0.6 on the nominal day."""
_NOMINAL_GLASS = 0.60
_LARGEST = {
    "day_effect": 50.0,
    "animal_effect": 50.0,
    "section_effect": 50.0,
    "class_separation": 20.0,
    "arrangement": 20.0,
    "exposure_sd": 3.0,
    "defocus_um": 30.0,
}
"""Of what draws at random: far beyond any laboratory, and all of them together still give numbers that are finite."""
_MOST = 1_000_000
"""Animals, sections or images of a class, and px of an image's side: more is a slip, and would only fill the memory."""
_SYNTHETIC = "Synthetic phantom sections, not tissue"


@dataclass(frozen=True, slots=True)
class CohortSpec:
    """The parameters of a cohort; with the software's version, every pixel is a pure function of them.

    Raises
    ------
    UsageError
        If it makes no sense.
    """

    animals_per_class: int = 4
    images_per_class: int = 24
    """Spread over animals, and over their sections, as evenly as can be."""
    sections: int | None = None
    """Per animal; None: 2, or as many as the fields need to fit without overlap."""
    image_px: int = 2048
    seed: int = 1
    days: str = "balanced"
    """Which day a section is imaged on: one of `Days`."""
    day_effect: float = 1.0
    """Factor on the standard deviation of all that a day changes: light, gain, staining, vignetting."""
    animal_effect: float = 1.0
    """Factor on how much animals of one class differ in growth, arrangement and stain."""
    section_effect: float = 1.0
    """Factor on how much sections of one animal differ in growth, arrangement, stain and thickness."""
    class_separation: float = EFFECTS.class_separation
    """Distance between the classes in standard deviations of the phenotype within a section."""
    arrangement: float | None = None
    """The same of how nuclei are arranged; None: as `EFFECTS` has it, but 0 where the class separation is 0, so that
    there is no class to find then."""
    groups: bool = True
    """Whether nuclei lie in groups, which is what the arrangement is about; else they lie on a jittered lattice, as in
    the sections of a single specimen (`CLEAR_EFFECTS`)."""
    exposure_sd: float = 0.10
    """Log of the operator's factor on the exposure, per field, on top of the day's own light."""
    defocus_um: float = 1.0
    """Standard deviation of the focus error, per field: what an operator or an autofocus leaves."""
    pixel_size_um: float = 0.325
    stores: bool = False
    """Write a store per section, as a microscope would, instead of TIFF files."""

    def __post_init__(self) -> None:
        if self.days not in get_args(Days):
            raise UsageError(f"days must be one of {', '.join(get_args(Days))}, not {self.days!r}")
        for name in ("animals_per_class", "images_per_class"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be 1 or more, not {getattr(self, name)}")
            if getattr(self, name) > _MOST:
                raise UsageError(f"{name} must be at most {_MOST:,}, not {getattr(self, name)}")
        if (self.sections or 1) * self.animals_per_class > _MOST:
            raise UsageError(f"there can be at most {_MOST:,} sections per class, not {self.sections} per animal")
        if self.image_px > _MOST:
            raise UsageError(f"image_px must be at most {_MOST:,}, not {self.image_px}")
        if self.image_px < SMALLEST_PX:
            raise UsageError(f"image_px must be {SMALLEST_PX} or more, the models' tile, not {self.image_px}")
        if self.sections is not None and self.sections < 1:
            raise UsageError(f"sections must be 1 or more, not {self.sections}")
        for name, largest in _LARGEST.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not 0 <= value <= largest:  # not for NaN either
                raise UsageError(f"{name} must be within 0 to {largest:g}, not {value:g}")
        if not (math.isfinite(self.pixel_size_um) and self.pixel_size_um > 0):
            raise UsageError(f"pixel_size_um must be positive, not {self.pixel_size_um}")
        if self.arrangement is not None and not self.groups:
            raise UsageError("the arrangement is that of groups of nuclei, and there are none without groups")
        if self.images_per_class < self.animals_per_class:
            raise UsageError(
                f"{counted(self.images_per_class, 'image')} cannot be spread over "
                f"{counted(self.animals_per_class, 'animal')} per class"
            )

    @property
    def arrangement_separation(self) -> float | None:
        """As asked for, or what goes with the class separation; None where nuclei do not lie in groups."""
        if not self.groups:
            return None
        if self.arrangement is not None:
            return self.arrangement
        return (EFFECTS.arrangement_separation or 0.0) if self.class_separation > 0 else 0.0

    @property
    def effect_sizes(self) -> EffectSizes:
        """The phantom's effects, scaled."""
        e, day, animal, section = EFFECTS, self.day_effect, self.animal_effect, self.section_effect
        return replace(
            e,
            class_separation=self.class_separation,
            arrangement_separation=self.arrangement_separation,
            animal_arrangement_sd=e.animal_arrangement_sd * animal,
            section_arrangement_sd=e.section_arrangement_sd * section,
            animal_latent_sd=e.animal_latent_sd * animal,
            animal_stain_sd=e.animal_stain_sd * animal,
            section_latent_sd=e.section_latent_sd * section,
            section_stain_sd=e.section_stain_sd * section,
            section_thickness_sd=e.section_thickness_sd * section,
            day_thickness_sd=e.day_thickness_sd * day,
            day_illumination_sd=e.day_illumination_sd * day,
            day_gain_sd=e.day_gain_sd * day,
            vignetting_sd=e.vignetting_sd * day,
            vignetting_centre_sd=e.vignetting_centre_sd * day,
        )

    @property
    def sections_per_animal(self) -> int:
        """As asked for, or as many as the fields need."""
        if self.sections is not None:
            return self.sections
        most = -(-self.images_per_class // self.animals_per_class)
        # the room that fields of 2048 px at 0.325 um take; smaller ones fit more often
        share = (self.image_px * self.pixel_size_um / (2048 * _PIXEL_UM)) ** 2
        fit = max(1, int(FIELDS_PER_SECTION / max(share, 1e-9)))
        return min(most, max(FIRST_SECTIONS, -(-most // fit)))

    @property
    def sentence(self) -> str:
        """What the images are, for a model's card."""
        arranged = self.arrangement_separation
        how_they_lie = (
            "none in arrangement, without groups of nuclei" if arranged is None else f"{arranged:g} in arrangement"
        )
        return (
            f"{_SYNTHETIC}: {counted(self.images_per_class, 'image')} of {self.image_px} x {self.image_px} px per "
            f"class from {counted(self.animals_per_class, 'animal')} each, "
            f"{counted(self.sections_per_animal, 'section')} per animal, seed {self.seed}, "
            f"days {self.days}, class separation {self.class_separation:g} in phenotype and "
            f"{how_they_lie}, effects of day x {self.day_effect:g}, "
            f"animal x {self.animal_effect:g}, section x {self.section_effect:g}."
        )


@dataclass(frozen=True, slots=True)
class PlannedField:
    """One image to take."""

    x_um: float
    y_um: float
    z_um: float
    exposure_ms: float
    noise_seed: int


@dataclass(frozen=True, slots=True)
class PlannedSection:
    """One section to image, and its fields."""

    tumour_class: Literal["low", "high"]
    animal: str
    section: str
    day: str
    fields: tuple[PlannedField, ...]

    def specimen(self, spec: CohortSpec) -> Specimen:
        """Return the section itself, not grown yet."""
        return _specimen(spec, self.animal, self.section, self.tumour_class, self.day)


def plan_cohort(spec: CohortSpec) -> tuple[PlannedSection, ...]:
    """Lay out a cohort: animals by number, classes alternating, sections and their fields.

    Fields are scattered at random over each section, wholly inside and without overlap.

    Raises
    ------
    UsageError
        If the fields do not fit into the sections.
    """
    n_sections = spec.sections_per_animal
    planned: list[PlannedSection] = []
    for i, n_of_animal in enumerate(_spread(spec.images_per_class, spec.animals_per_class), start=1):
        for j, n_fields in enumerate(_spread(n_of_animal, n_sections), start=1):
            for tumour_class in CLASSES:
                day = (FIRST_DAY + timedelta(days=_day(spec, i, j, CLASSES.index(tumour_class)))).isoformat()
                animal, section = f"{tumour_class}-{i}", f"s{j}"
                specimen = _specimen(spec, animal, section, tumour_class, day)
                if n_fields:
                    fields = _fields(spec, specimen, animal, section, n_fields)
                    planned.append(PlannedSection(tumour_class, animal, section, day, fields))
    return tuple(planned)


def _spread(total: int, parts: int) -> list[int]:
    """Return `total` in `parts` that differ by 1 at most, the larger ones first."""
    each, more = divmod(total, parts)
    return [each + (part < more) for part in range(parts)]


def _day(spec: CohortSpec, animal: int, section: int, label: int) -> int:
    """Return on which day a section is imaged, from 0; `animal` and `section` count from 1."""
    i, j, n_sections = animal - 1, section - 1, spec.sections_per_animal
    if spec.days == "balanced":
        return i * n_sections + j
    if spec.days == "per-section":
        return (i * n_sections + j) * 2 + label
    if spec.days == "per-animal":
        return i * 2 + label
    return label


def _specimen(spec: CohortSpec, animal: str, section: str, tumour_class: Literal["low", "high"], day: str) -> Specimen:
    return Specimen(
        spec.seed,
        NAMESPACE + animal,
        section,
        tumour_class,
        NAMESPACE + day,
        sizes=spec.effect_sizes,
        cache_mb=1,
    )


def day_exposure_ms(effect: DayEffect) -> float:
    """Return the exposure that the operator chooses on a day: the nominal one, unless glass is too dark or bright."""
    glass = _NOMINAL_GLASS * effect.illumination * effect.gain
    low, high = GLASS_LEVEL
    return EXPOSURE_MS * min(max(glass, low), high) / glass


def _fields(spec: CohortSpec, specimen: Specimen, animal: str, section: str, n: int) -> tuple[PlannedField, ...]:
    rng = stable_rng("training fields", spec.seed, animal, section)
    side_um = spec.image_px * spec.pixel_size_um
    centres = scattered_fields(n, (side_um, side_um), specimen.outline_um, int(rng.integers(1 << 32)))
    if not centres:
        raise UsageError(
            f"no image of {spec.image_px} px fits into section {section} of {animal}", hint="Take smaller images."
        )
    if (fit := len(centres)) < n:
        raise UsageError(
            f"{n} images of {spec.image_px} px do not fit into section {section} of {animal} without overlap; "
            f"{fit} {'does' if fit == 1 else 'do'}",
            hint=f"Take more sections (--sections {-(-n * spec.sections_per_animal // fit)}), smaller images or fewer "
            "of them; without --sections as many are made as are needed.",
        )
    exposure_ms = day_exposure_ms(specimen.day_effect)
    return tuple(
        PlannedField(
            x_um=x_um,
            y_um=y_um,
            z_um=spec.defocus_um * float(rng.standard_normal()),
            exposure_ms=exposure_ms * math.exp(spec.exposure_sd * float(rng.standard_normal())),
            noise_seed=int(rng.integers(1 << 32)),
        )
        for x_um, y_um in centres
    )


def truth(spec: CohortSpec, planned: tuple[PlannedSection, ...]) -> dict[str, Any]:
    """Return what a study of the cohort should find, as JSON values: the effects' sizes and every draw of them."""
    sections: list[dict[str, Any]] = []
    days: dict[str, dict[str, Any]] = {}
    for one in planned:
        specimen = one.specimen(spec)
        sections.append(
            {
                "class": one.tumour_class,
                "animal_id": one.animal,
                "section_id": one.section,
                "day": one.day,
                "images": len(one.fields),
                **asdict(specimen.section_effect),
            }
        )
        days[one.day] = {
            **asdict(specimen.day_effect),
            "exposure_ms": day_exposure_ms(specimen.day_effect),
        }
    return {
        "synthetic": spec.sentence,
        "spec": {**asdict(spec), "sections": spec.sections_per_animal, "arrangement": spec.arrangement_separation},
        "effect_sizes": asdict(spec.effect_sizes),
        "camera": asdict(CameraPhysics()),
        "days": dict(sorted(days.items())),
        "sections": sections,
    }
