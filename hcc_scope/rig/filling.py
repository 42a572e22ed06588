"""Fill in what is still to be filled in, so that a configuration can be tried before the rig is known in full.

The values are none of the rig's: each is reported, and stands for the trial only.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError
from hcc_scope.rig.files import read_file
from hcc_scope.rig.placeholders import Placeholder, find_placeholders
from hcc_scope.rig.rigfile import find_rig_file, load_rig

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.rig.rigfile import Rig

__all__ = ["Filled", "filled_config", "filled_rig"]

_LARGEST_BYTES = 16 * 2**20
_WORD = "filled-in"
_NUMBERS = {"PixelSize_um": "1", "PixelSizeOptimalZ_Um": "1", "Delay": "0", "FocusDirection": "0"}
"""Commands whose last field is a number."""
_FAR_APART = 100_000
"""Between the ends of a range."""
_IN_YAML = re.compile(
    r"""(?P<before>[:\[,{-]\s*)(["']?)<(?P<what>[^<>:]+):\s(?P<where>[^<>]+)>\2(?=\s*(?:[,\]}]|\#|$))"""
)
_AT_LINE = re.compile(r":(\d+):")


@dataclass(frozen=True, slots=True)
class Filled:
    """A placeholder, and what stood in its place for the trial."""

    file: str
    line: int
    what: str
    where: str
    """How to find the right value."""
    value: str


def filled_config(path: Path, folder: Path) -> tuple[Path, list[Filled]]:
    """Return a configuration without placeholders: the file itself, or a copy in a folder, with the same lines.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    # in this encoding every byte is a character: nothing of the file is lost
    lines = read_file(path, "configuration", _LARGEST_BYTES).decode("latin-1").split("\n")
    ports: dict[str, str] = {}
    filled: list[Filled] = []
    for i, line in enumerate(lines):
        text = line.split("\r", 1)[0]
        found = list(find_placeholders(text, i + 1)) if not text.startswith("#") else []
        for one in found:
            value = _config_value(one, text, ports)
            filled.append(Filled(str(path), one.line, one.what, one.where, value))
            # the value holds nothing that means something to `re.sub`
            lines[i] = re.sub(r"(?<![^,])<[^<>]+: [^<>]+>(?=[,\r]|$)", value, lines[i], count=1)
    if not filled:
        return path, []
    copy = folder / path.name
    copy.write_bytes("\n".join(lines).encode("latin-1"))
    return copy, filled


def _config_value(one: Placeholder, line: str, ports: dict[str, str]) -> str:
    """Return a value that works; the same one for the same thing, since lines refer to each other by it."""
    command = line.split(",", 1)[0]
    if command in _NUMBERS:
        return _NUMBERS[command]
    if "COM port" in one.what:
        return ports.setdefault(one.what, f"COM{len(ports) + 1}")
    return _WORD


def filled_rig(path_or_name: str | Path, folder: Path) -> tuple[Rig, list[Filled]]:
    """Read a rig file as `hcc_scope.rig.rigfile.load_rig`, with its placeholders filled in.

    Raises
    ------
    ConfigError
        If something else is wrong with it.
    """
    path = find_rig_file(path_or_name)
    if path.suffix.lower() == ".cfg":
        return load_rig(path), []
    text = read_file(path, "rig file", _LARGEST_BYTES).decode("utf-8", errors="replace")
    lines = text.splitlines()
    asked = [one for i, line in enumerate(lines, start=1) for one in _in_yaml(line, i)]
    if not asked:
        return load_rig(path), []
    numbers: set[int] = set()
    for _ in range(len(asked) + 1):
        filled = [_yaml_value(path, one, asked, numbers) for one in asked]
        try:
            return _loaded(path, lines, filled, folder), filled
        except ConfigError as error:
            # a text where a number belongs is refused with its line: then it gets a number
            at_line = _AT_LINE.search(error.message)
            line = int(at_line[1]) if at_line is not None else 0
            if line in numbers or line not in {one.line for one in asked}:
                raise
            numbers.add(line)
    raise AssertionError("a line is refused once as a text, and once as a number")


def _in_yaml(line: str, number: int) -> list[Placeholder]:
    if line.lstrip().startswith("#"):
        return []
    return [Placeholder(number, found["what"].strip(), found["where"].strip()) for found in _IN_YAML.finditer(line)]


def _yaml_value(path: Path, one: Placeholder, asked: list[Placeholder], numbers: set[int]) -> Filled:
    """Return a value for a placeholder: a word, or a number, rising along the line as the ends of a range do."""
    value = _WORD
    if one.line in numbers:
        on_line = [other for other in asked if other.line == one.line]
        value = str(_FAR_APART * next(i for i, other in enumerate(on_line) if other is one) or 1)
    return Filled(str(path), one.line, one.what, one.where, value)


def _loaded(path: Path, lines: list[str], filled: list[Filled], folder: Path) -> Rig:
    """Return the rig of a filled-in copy, as if it had been read from the file itself."""
    values = iter(filled)

    def fill(found: re.Match[str]) -> str:
        return found["before"] + next(values).value

    texts = [line if line.lstrip().startswith("#") else _IN_YAML.sub(fill, line) for line in lines]
    copy = folder / path.name
    copy.write_text("\n".join(texts) + "\n", encoding="utf-8")
    try:
        rig = load_rig(copy)
    except ConfigError as error:
        raise ConfigError(error.message.replace(str(copy), str(path)), hint=error.hint) from error
    places = {"config": rig.config, "adapters_dir": rig.adapters_dir, "references_dir": rig.references_dir}
    beside = {
        name: place and path.parent / os.path.relpath(place, folder)
        for name, place in places.items()
        if place is None or place.is_relative_to(folder)
    }
    return rig.model_copy(update={"path": path, **beside})
