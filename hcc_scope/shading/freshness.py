"""The rule which reference counts for a rig as it is set now: fresh, stale or missing.

====================  ====================================================  =====================
must be the same      dark field                                            flat field
====================  ====================================================  =====================
rig                   its name                                              its name
camera                label, binning, region, bit depth, read-out           label, binning, region, bit depth
exposure, EM gain     within 10 % and 1 %                                   any
objective             any                                                   its label
age at most           30 days                                               7 days
====================  ====================================================  =====================

A reference that fits but is older, or was taken with another .cfg file, is *stale*. Only fresh ones correct a section.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from hcc_scope.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from hcc_scope.shading.reference import Manifest, ReferenceKind, Settings

__all__ = [
    "MAX_AGE",
    "Freshness",
    "ReferenceState",
    "ReferencesState",
    "judge",
    "same_em_gain",
    "same_exposure",
    "unlike_settings",
]

Freshness = Literal["fresh", "stale", "missing"]
MAX_AGE: dict[ReferenceKind, timedelta] = {"dark": timedelta(days=30), "flat": timedelta(days=7)}
_CLOCK_SLACK = timedelta(hours=1)
_EXPOSURE = 0.10
_EM_GAIN = 0.01


@dataclass(frozen=True, slots=True)
class ReferenceState:
    """How one kind of reference is."""

    kind: ReferenceKind
    freshness: Freshness
    reason: str
    """Why it is stale or missing, or how old it is, as half a sentence."""
    manifest: Manifest | None = None
    """The one that counts; None if it is missing."""

    @property
    def estimated(self) -> bool:
        """Whether it was estimated from tissue, and not measured."""
        return self.manifest is not None and self.manifest.estimated

    @property
    def label(self) -> str:
        """As a person reads it: ``dark field fresh``, ``flat field fresh (estimated)``."""
        return f"{self.kind} field {self.freshness}" + (" (estimated)" if self.estimated else "")


@dataclass(frozen=True, slots=True)
class ReferencesState:
    """How the references of a rig are, as it is set now."""

    dark: ReferenceState
    flat: ReferenceState

    @property
    def freshness(self) -> Freshness:
        """The worse of the two: a correction takes both."""
        order: tuple[Freshness, ...] = ("fresh", "stale", "missing")
        return max((self.dark.freshness, self.flat.freshness), key=order.index)

    @property
    def estimated(self) -> bool:
        """Whether one of them was estimated."""
        return self.dark.estimated or self.flat.estimated

    def describe(self) -> str:
        """Return both in one sentence without a full stop."""
        return "; ".join(f"{one.label}: {one.reason}" for one in (self.dark, self.flat))


def unlike_settings(kind: ReferenceKind, taken: Settings, now: Settings) -> tuple[str, ...]:
    """Return which settings keep a reference from being used now, as text; empty if it fits.

    Parameters
    ----------
    kind : {"dark", "flat"}
    taken : Settings
        Of the reference.
    now : Settings
        Of the rig.
    """
    pairs: list[tuple[str, object, object]] = [
        ("rig", taken.rig, now.rig),
        ("camera", taken.camera, now.camera),
        ("binning", taken.binning, now.binning),
        ("region", taken.roi, now.roi),
        ("bit depth", taken.bit_depth, now.bit_depth),
    ]
    if kind == "flat":
        pairs.append(("objective", taken.objective, now.objective))
    else:
        pairs.append(("read-out", taken.readout, now.readout))
    unlike = [name for name, one, other in pairs if one != other]
    if kind == "dark":
        if not same_exposure(taken.exposure_ms, now.exposure_ms):
            unlike.append("exposure")
        if not same_em_gain(taken.em_gain, now.em_gain):
            unlike.append("EM gain")
    return tuple(unlike)


def same_exposure(one_ms: float, other_ms: float) -> bool:
    """Return whether a dark field of one exposure holds for the other."""
    return math.isclose(one_ms, other_ms, rel_tol=_EXPOSURE, abs_tol=1e-6)


def same_em_gain(one: float | None, other: float | None) -> bool:
    """Return whether a dark field of one EM gain holds for the other; None is a camera without, or switched off."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_EM_GAIN, abs_tol=1e-6)


def judge(manifests: Iterable[Manifest], now: Settings, at: datetime, problems: Sequence[str] = ()) -> ReferencesState:
    """Return which references count.

    Parameters
    ----------
    manifests : iterable of Manifest
        Everything that is kept.
    now : Settings
        Of the rig.
    at : datetime
        Now, with its time zone.
    problems : sequence of str
        What cannot be used of what is kept, as text; named where a reference is missing.
    """
    kept = tuple(manifests)
    dark, flat = (_judge(kind, kept, now, at) for kind in MAX_AGE)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        dark, flat = (
            replace(one, reason=f"{one.reason}; {problems[0]}{more}") if one.freshness == "missing" else one
            for one in (dark, flat)
        )
    return ReferencesState(dark, flat)


def _judge(kind: ReferenceKind, kept: tuple[Manifest, ...], now: Settings, at: datetime) -> ReferenceState:
    own = [one for one in kept if one.kind == kind]
    fitting = [one for one in own if not unlike_settings(kind, one.settings, now)]
    if not fitting:
        if not own:
            return ReferenceState(kind, "missing", "none was taken")
        nearest = min(own, key=lambda one: (len(unlike_settings(kind, one.settings, now)), at - one.t_utc))
        unlike = ", ".join(unlike_settings(kind, nearest.settings, now))
        return ReferenceState(kind, "missing", f"none for these settings (unlike the nearest: {unlike})")

    def rank(one: Manifest) -> tuple[bool, bool, datetime]:
        return not _why_stale(one, now, at), not one.estimated, one.t_utc

    best = max(fitting, key=rank)
    why = _why_stale(best, now, at)
    if why:
        return ReferenceState(kind, "stale", why, best)
    unknown = "; the rig does not report the objective" if kind == "flat" and now.objective is None else ""
    return ReferenceState(kind, "fresh", f"taken {_age_text(at - best.t_utc)}{unknown}", best)


def _why_stale(one: Manifest, now: Settings, at: datetime) -> str:
    age = at - one.t_utc
    if age > MAX_AGE[one.kind]:
        return f"taken {_age_text(age)}, and it holds for {counted(MAX_AGE[one.kind].days, 'day')}"
    if age < -_CLOCK_SLACK:
        return "taken in the future by this computer's clock"
    if None not in (one.settings.cfg_sha256, now.cfg_sha256) and one.settings.cfg_sha256 != now.cfg_sha256:
        return "the .cfg file has changed since it was taken"
    return ""


def _age_text(age: timedelta) -> str:
    if age < timedelta(hours=1):
        return "within the last hour"
    if age < timedelta(days=1):
        return f"{counted(int(age.total_seconds() // 3600), 'hour')} ago"
    return f"{counted(age.days, 'day')} ago"
