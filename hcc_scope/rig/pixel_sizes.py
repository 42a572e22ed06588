"""The pixel size presets of a configuration: which have no size, which no state matches, which two match one state."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from hcc_scope.orientation import AFFINE_HINT, Orientation, linear_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hcc_scope.orientation import Matrix

__all__ = ["PixelSizes"]

Setting = tuple[str, str]
"""Device and property."""


@dataclass(slots=True)
class _Preset:
    line: int
    settings: dict[Setting, str] = field(default_factory=dict)
    size_um: float | None = None
    sized: bool = False
    """Whether there is a size, be it one that is no number."""
    affine: tuple[int, Matrix | None] = (0, None)
    """Line, and linear part in um per px; None where none was measured."""


class PixelSizes:
    """Gathers the presets of one file."""

    def __init__(self) -> None:
        self.presets: dict[str, _Preset] = {}
        self._twice: list[tuple[int, str]] = []

    def add_setting(self, line: int, preset: str, device: str, name: str, value: str) -> None:
        """Note a ``ConfigPixelSize`` line; a later one of the same property takes the place of an earlier one."""
        self.presets.setdefault(preset, _Preset(line)).settings[device, name] = value

    def add_size(self, line: int, preset: str, size_um: float | None) -> None:
        """Note a ``PixelSize_um`` line; 0 is an objective that was not calibrated, None is no number."""
        known = self.presets.get(preset)
        if known is not None:
            if known.sized and known.size_um != size_um:
                self._twice.append((line, preset))
            known.size_um, known.sized = size_um, True

    def add_affine(self, line: int, preset: str, numbers: Sequence[float]) -> None:
        """Note a ``PixelSizeAffine`` line; fewer than six numbers are an error that is reported already."""
        known = self.presets.get(preset)
        if known is not None:
            known.affine = line, linear_part(numbers) if len(numbers) == 6 else None

    def findings(self, labels: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[int, str, str]]:
        """Yield line, message and hint of each finding.

        Parameters
        ----------
        labels : mapping
            By device, its labels by position: ``Label`` and ``State`` may mean the same.
        """
        for line, name in self._twice:
            yield line, f"the pixel size preset '{name}' has a size already, which this one replaces", "Remove one."
        for name, preset in self.presets.items():
            if not preset.sized:
                yield preset.line, f"the pixel size preset '{name}' has no size", f"Add PixelSize_um,{name},<um>."
            elif preset.size_um == 0:
                yield (
                    preset.line,
                    f"the pixel size preset '{name}' is not calibrated: its size is 0, and with it the size is unknown",
                    "Measure the size of a pixel on the specimen.",
                )
            yield from _never_matches(name, preset, labels)
            yield from _bad_affine(name, preset)
        states = {name: _by_position(preset.settings, labels) for name, preset in self.presets.items()}
        for first, second in combinations(self.presets, 2):
            one, other = self.presets[first], self.presets[second]
            if one.size_um != other.size_um and _agree(states[first], states[second]):
                yield (
                    max(one.line, other.line),
                    f"the pixel size presets '{first}' ({_um(one)}) and '{second}' ({_um(other)}) match one state of"
                    " the devices, and a run that meets it is refused",
                    "Remove one, or add a setting that distinguishes them.",
                )
            elif one.size_um != other.size_um and _binning_apart(states[first], states[second]):
                yield (
                    max(one.line, other.line),
                    f"the pixel size presets '{first}' ({_um(one)}) and '{second}' ({_um(other)}) differ in binning"
                    " alone, and Micro-Manager multiplies their sizes by the binning",
                    "Let each give the size of a pixel without binning.",
                )


def _bad_affine(name: str, preset: _Preset) -> Iterator[tuple[int, str, str]]:
    """Yield an affine by which a run cannot place frames."""
    line, affine = preset.affine
    if affine is not None:
        try:
            Orientation.of_preset(affine, preset.size_um or None)
        except ValueError as error:
            message = (
                f"the PixelSizeAffine of the preset '{name}' cannot be used: {error}; a run that meets it is refused"
            )
            yield line, message, AFFINE_HINT


def _never_matches(
    name: str, preset: _Preset, labels: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[int, str, str]]:
    """Yield a preset that no state of the devices matches, as far as this file shows it."""
    for (device, what), value in preset.settings.items():
        of_device = labels.get(device, {})
        state = preset.settings.get((device, "State"))
        if what == "Label" and state is not None and state in of_device and of_device[state] != value:
            yield (
                preset.line,
                f"the pixel size preset '{name}' never matches: it wants '{device}' at position {state}, which is"
                f" labelled '{of_device[state]}', and at the label '{value}'",
                "Remove one of the two settings.",
            )
        elif what == "Label" and value not in of_device.values() and _all_labelled(of_device):
            yield (
                preset.line,
                f"the pixel size preset '{name}' wants the label '{value}', which this file gives to none of the"
                f" positions of '{device}'",
                f"Correct it, or remove the preset; labels are: {', '.join(of_device.values())}.",
            )


def _all_labelled(labels: Mapping[str, str]) -> bool:
    """Return whether labels stand for all positions of a device, as Micro-Manager's wizard writes them: 0, 1, 2 ..."""
    return len(labels) > 1 and set(labels) == {str(i) for i in range(len(labels))}


def _um(preset: _Preset) -> str:
    return "no size" if preset.size_um is None else f"{preset.size_um:g} um"


def _by_position(settings: Mapping[Setting, str], labels: Mapping[str, Mapping[str, str]]) -> dict[Setting, str]:
    """Return settings with labels replaced by the positions that this file gives them."""
    found: dict[Setting, str] = {}
    for (device, name), value in settings.items():
        positions = [position for position, label in labels.get(device, {}).items() if label == value]
        if name == "Label" and positions:
            found[device, "State"] = positions[-1]  # the last one of the same label is the one that it chooses
        else:
            found[device, name] = value
    return found


def _agree(first: Mapping[Setting, str], second: Mapping[Setting, str]) -> bool:
    """Return whether the devices can be in a state that both sets of settings describe."""
    shared = first.keys() & second.keys()
    return all(first[setting] == second[setting] for setting in shared) and not _label_against_state(first, second)


def _binning_apart(first: Mapping[Setting, str], second: Mapping[Setting, str]) -> bool:
    """Return whether both describe the same state but for the binning of a camera."""
    differing = {setting for setting in first.keys() | second.keys() if first.get(setting) != second.get(setting)}
    return first.keys() == second.keys() and len(differing) == 1 and next(iter(differing))[1] == "Binning"


def _label_against_state(first: Mapping[Setting, str], second: Mapping[Setting, str]) -> bool:
    """Return whether one names a position by a label of the device's own that the other gives by number.

    Which position that label belongs to is not in the file: the two cannot be compared.
    """
    return any(
        (device, "Label") in one and (device, "State") in other
        for one, other in ((first, second), (second, first))
        for device, _ in one
    )
