"""The sizes of the phantom's effects: differences between classes, animals, sections and days.

Every random effect of the phantom is drawn here, from a documented distribution, so that a study on the phantom
knows the truth that it should find.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

__all__ = ["CLEAR_EFFECTS", "EFFECTS", "DayEffect", "EffectSizes", "SectionEffect", "TumourClass", "stable_rng"]

TumourClass = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class EffectSizes:
    """Sizes of all fixed and random effects (``_sd``: standard deviation of a normal draw).

    The *latent phenotype* is a number per place: negative is trabecular with small regular nuclei, positive is solid
    with large pleomorphic nuclei. It is the sum of the class mean, an animal's and a section's shift, and a slowly
    varying field of standard deviation 1 inside the section; a logistic function of it (`phenotype`, 0 to 1)
    sets the morphology. Latent effects are therefore in units of the within-section standard deviation.

    The *latent arrangement* is a second such number, with draws of its own: a logistic function of it is the share of
    groups of nuclei that are nested rather than open (`hcc_scope.phantom.arrangement`). It changes neither which nuclei
    there are, nor how many, nor what pairs of them look like.
    """

    class_separation: float = 1.3
    """Distance of the class means in the latent phenotype: low at minus half of it, high at plus half."""
    animal_latent_sd: float = 0.9
    section_latent_sd: float = 0.45
    arrangement_separation: float | None = 3.6
    """Distance of the class means in the latent arrangement: low (open) at minus half of it, high at plus half."""
    animal_arrangement_sd: float = 1.4
    section_arrangement_sd: float = 0.6
    heterogeneity_um: float = 110.0
    """Blur (Gaussian sigma) of the white noise that makes the slow fields; about a tile's width correlates."""
    animal_stain_sd: float = 0.08
    """Log of the factor on what the nuclei absorb, per animal."""
    section_stain_sd: float = 0.05
    section_thickness_sd: float = 0.08
    """Log of the factor on all absorbance, per section (10 um nominal)."""
    day_thickness_sd: float = 0.06
    """Log of the factor on all absorbance, per acquisition day (staining and mounting batch)."""
    day_illumination_sd: float = 0.10
    """Log of the factor on the light reaching the specimen, per day."""
    day_gain_sd: float = 0.03
    """Log of the factor on counts per electron, per day."""
    vignetting_mean: float = 0.10
    """Light missing in the corners of a field, as a fraction of the centre's."""
    vignetting_sd: float = 0.03
    vignetting_centre_sd: float = 0.06
    """Offset of the brightest point in x and in y, in half-widths of the field."""


EFFECTS = EffectSizes()
"""The sizes of a cohort: animals of the two classes overlap, so that no model is right about all of them."""
CLEAR_EFFECTS = replace(
    EFFECTS,
    class_separation=3.0,
    animal_latent_sd=0.25,
    section_latent_sd=0.12,
    arrangement_separation=None,
)
"""The sizes of a single specimen, as demo and acquisitions show it: it is clear which class it has. Its nuclei lie on a
jittered lattice, as in the sections that the shipped model was trained on."""


def stable_rng(*words: object) -> np.random.Generator:
    """Return a generator that depends on nothing but the words (same in every process and on every platform).

    Parameters
    ----------
    *words : object
        Numbers and strings; joined by their ``str`` and hashed with SHA-256 to the key of a Philox counter.

    Examples
    --------
    >>> a, b = (stable_rng(1, "LM3-1").integers(1000) for _ in range(2))
    >>> bool(a == b)
    True
    """
    digest = hashlib.sha256("\x1f".join(["hcc-scope phantom 1", *map(str, words)]).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


@dataclass(frozen=True, slots=True)
class SectionEffect:
    """What animal and section add to the class: draws of the random effects of one section."""

    latent_mean: float
    """Mean of the latent phenotype over the section, class included."""
    arrangement_mean: float | None
    """The same of the latent arrangement; None: its nuclei are not arranged in groups."""
    stain: float
    """Factor on what nuclei absorb."""
    thickness: float
    """Factor on all absorbance, without the day's."""

    @classmethod
    def draw(
        cls, seed: int, animal: str, section: str, tumour_class: TumourClass, sizes: EffectSizes = CLEAR_EFFECTS
    ) -> SectionEffect:
        """Draw the effects; sections of one animal share the animal's part."""
        latent_a, stain_a = stable_rng(seed, "animal", animal).standard_normal(2)
        latent_s, stain_s, thickness_s = stable_rng(seed, "section", animal, section).standard_normal(3)
        arrangement_a = stable_rng(seed, "arrangement", animal).standard_normal()
        arrangement_s = stable_rng(seed, "arrangement", animal, section).standard_normal()
        side = 0.5 if tumour_class == "high" else -0.5
        return cls(
            latent_mean=float(
                side * sizes.class_separation + sizes.animal_latent_sd * latent_a + sizes.section_latent_sd * latent_s
            ),
            arrangement_mean=None
            if sizes.arrangement_separation is None
            else float(
                side * sizes.arrangement_separation
                + sizes.animal_arrangement_sd * arrangement_a
                + sizes.section_arrangement_sd * arrangement_s
            ),
            stain=math.exp(sizes.animal_stain_sd * stain_a + sizes.section_stain_sd * stain_s),
            thickness=math.exp(sizes.section_thickness_sd * thickness_s),
        )


@dataclass(frozen=True, slots=True)
class DayEffect:
    """What the day of acquisition changes. The default is the nominal day: no effect, no vignetting."""

    illumination: float = 1.0
    """Factor on the light that reaches the specimen."""
    gain: float = 1.0
    """Factor on counts per electron."""
    thickness: float = 1.0
    """Factor on all absorbance; applied by the specimen, the others by the camera."""
    vignetting: float = 0.0
    """Light missing in the corner that is half a diagonal away from the brightest point."""
    centre_yx: tuple[float, float] = (0.0, 0.0)
    """Brightest point, in half-heights and half-widths from the field's centre."""

    @classmethod
    def draw(cls, seed: int, day: int | str, sizes: EffectSizes = EFFECTS) -> DayEffect:
        """Draw the effect of one day; all specimens imaged on that day share it."""
        light, gain, thickness, vignetting, cy, cx = stable_rng(seed, "day", day).standard_normal(6)
        return cls(
            illumination=math.exp(sizes.day_illumination_sd * light),
            gain=math.exp(sizes.day_gain_sd * gain),
            thickness=math.exp(sizes.day_thickness_sd * thickness),
            vignetting=float(np.clip(sizes.vignetting_mean + sizes.vignetting_sd * vignetting, 0.0, 0.5)),
            centre_yx=(float(sizes.vignetting_centre_sd * cy), float(sizes.vignetting_centre_sd * cx)),
        )
