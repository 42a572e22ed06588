"""A synthetic white-light section of a liver tumour, and the camera that images it. All output is marked synthetic.

There are no public images for the task of Meng et al. (2019). Demo, tests and the shipped model use this phantom:
a specimen in stage coordinates with trabecular or solid growth and with nuclei in nests or in open groups, whose random
effects have known sizes (`EffectSizes`).

Examples
--------
>>> specimen = Specimen(seed=1, animal="A1", section="S1", tumour_class="high")
>>> field = specimen.render(0.0, 0.0, 0.0, (256, 256), 0.325)
>>> frame = CameraPhysics().expose(field, exposure_ms=10.0, noise_seed=0, day=specimen.day_effect)
>>> frame.shape, frame.dtype.name
((256, 256), 'uint16')
"""

from __future__ import annotations

from hcc_scope.phantom.camera import CameraPhysics, vignetting_map
from hcc_scope.phantom.effects import CLEAR_EFFECTS, EFFECTS, DayEffect, EffectSizes, SectionEffect, TumourClass
from hcc_scope.phantom.specimen import Specimen, defocus_sigma_um

__all__ = [
    "CLEAR_EFFECTS",
    "EFFECTS",
    "CameraPhysics",
    "DayEffect",
    "EffectSizes",
    "SectionEffect",
    "Specimen",
    "TumourClass",
    "defocus_sigma_um",
    "vignetting_map",
]
