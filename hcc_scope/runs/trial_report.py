"""What came out of trying a rig, for command line and window."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from hcc_scope.rig.device_kinds import KIND_WORDS
from hcc_scope.rig.filling import Filled
from hcc_scope.rig.substitution import Adjusted, LeftOut, Remembered, Replaced

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TrialReport"]


@dataclass(slots=True)
class TrialReport:
    """What a rig was tried with, what passed and what did not."""

    file: str
    replaced: list[Replaced] = field(default_factory=list)
    remembered: list[Remembered] = field(default_factory=list)
    adjusted: list[Adjusted] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    filled: list[Filled] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    """In words, in the order in which they were tried."""
    warnings: list[str] = field(default_factory=list)
    rig_file: str | None = None
    """The rig file that lies beside a .cfg, and that it was tried with."""
    error: str | None = None
    """Why it did not pass, in one sentence."""
    exit_code: int = 0
    """That of the error; 0 if all passed."""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrialReport:
        """Return the report that `as_dict` gave the values of."""
        parts = {"replaced": Replaced, "remembered": Remembered, "adjusted": Adjusted, "left_out": LeftOut}
        made: dict[str, Any] = dict(values)
        for name, kind in {**parts, "filled": Filled}.items():
            made[name] = [kind(**_tuples(one)) for one in values[name]]
        return cls(**made)

    def lines(self, *, to_fill_in: bool = True) -> list[tuple[str, str]]:
        """Return the report in words: lines with their kind, ``plain``, ``good``, ``warning`` or ``bad``.

        Parameters
        ----------
        to_fill_in : bool
            Also list what is to be filled in.
        """
        found = [] if self.rig_file is None else [("plain", f"{self.file} is tried with its rig file {self.rig_file}")]
        found += [("plain", _replaced(one)) for one in self.replaced]
        found += [
            ("plain", f"line {one.line}: {one.device} {one.name} = {one.value}, taken as {one.taken} here")
            for one in self.adjusted
        ]
        found += [("plain", f"line {one.line}: without effect here: {one.text} ({one.why})") for one in self.left_out]
        found += [("plain", text) for text in self._not_tried()]
        found += [("good", text) for text in self.passed]
        found += [("warning", text) for text in self.warnings]
        if to_fill_in:
            found += [("warning", text) for text in self._to_fill_in()]
        if self.error is not None:
            found.append(("bad", self.error))
        return found

    def _to_fill_in(self) -> list[str]:
        """Return for each thing that is to be filled in: where it is missing, and how to find it."""
        places: dict[tuple[str, str, str, str], list[int]] = {}
        for one in self.filled:
            places.setdefault((one.file, one.what, one.where, one.value), []).append(one.line)
        return [
            f"{file}:{','.join(map(str, sorted(set(numbers))))}: {what} is to be filled in, and was taken as {value}."
            f" To find it: {where.rstrip('.')}."
            for (file, what, where, value), numbers in places.items()
        ]

    def _not_tried(self) -> list[str]:
        """Return for each device which of its properties no demo device has."""
        by_device: dict[str, dict[str, bool]] = {}
        for one in self.remembered:
            names = by_device.setdefault(one.device, {})
            names[one.name] = names.get(one.name, False) or one.memory is not None
        return [
            f"{device}: not tried, as no demo device has {'it' if len(names) == 1 else 'them'}: "
            + ", ".join(name + (" (kept for the presets)" if kept else "") for name, kept in names.items())
            for device, names in by_device.items()
        ]


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values from JSON with their lists as tuples again."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _replaced(one: Replaced) -> str:
    what = f"line {one.line}: {one.device} ({one.library} {one.adapter})"
    kind = KIND_WORDS[one.kind]
    if one.twin is None:
        return f"{what} is left out: {kind} has no demo device"
    size = ""
    if one.image_yx is not None:
        height, width = one.image_yx
        size = f", {width} x {height} pixels" + (f" as of {one.camera}" if one.camera else "")
    return f"{what} is replaced by {one.twin}{size}: {kind}, {one.reason}"
