"""The lines of a Micro-Manager configuration, read as its core reads them.

Micro-Manager's core splits a line at its commas, drops what is empty between them, takes blanks as part of a name, and
stops at a carriage return and at a NUL. A file is text in UTF-8 or in the code page of the computer that wrote it: the
core does not care, as it compares bytes.

>>> read_config(Path("hardware_configs/demo.cfg"))[0]  # doctest: +SKIP
CfgLine(number=3, command='Property', fields=('Core', 'Initialize', '0'))
"""

from __future__ import annotations

import codecs
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError
from hcc_scope.rig.files import read_file
from hcc_scope.rig.placeholders import find_placeholders

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COMMANDS", "NO_LONGER", "PRESETS", "TOO_LONG", "CfgLine", "heading", "read_config", "readable"]

COMMANDS: dict[str, tuple[tuple[int, ...], str]] = {
    "Device": ((3,), "label,library,adapter"),
    "Property": ((2, 3), "label,property,value"),
    "Parent": ((2,), "label,hub"),
    "Delay": ((2,), "label,ms"),
    "FocusDirection": ((2,), "label,-1|0|1"),
    "Label": ((3,), "device,index,text"),
    "ConfigGroup": ((1, 4, 5), "group,preset,device,property,value"),
    "Config": ((4,), "preset,device,property,value"),
    "ConfigPixelSize": ((4,), "preset,device,property,value"),
    "PixelSize_um": ((2,), "preset,um"),
    "PixelSizeAffine": ((7,), "preset,a,b,c,d,e,f"),
    "PixelSizeAngle_dxdz": ((2,), "preset,value"),
    "PixelSizeAngle_dydz": ((2,), "preset,value"),
    "PixelSizeOptimalZ_Um": ((2,), "preset,um"),
}
"""Each command: how many fields may follow it, and what they are."""
PRESETS = ("ConfigGroup", "ConfigPixelSize")
"""Commands whose lines a file can do without, one by one."""
NO_LONGER = ("Equipment", "ImageSynchro")
"""Commands of old versions, which the core refuses whatever follows them."""
TOO_LONG = "\0too long"
"""Stands for the command of a line at which the core stops reading."""
_LONGEST = 4099
"""Bytes of the longest line that the core reads."""
_LARGEST_BYTES = 16 * 2**20
"""Real files are some ten kB long."""
_CODE_PAGES = ("utf-8", "cp1252", "latin-1")
"""How a line may be encoded, tried in this order; the last one takes every byte."""
_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class CfgLine:
    """One command of a configuration."""

    number: int
    """Counted from 1."""
    command: str
    fields: tuple[str, ...]
    """What follows the command; none of them is empty."""
    cut: bool = False
    """Whether the line goes on after a NUL, at which the core stops."""


def _decoded(line: bytes) -> str:
    for code_page in _CODE_PAGES[:-1]:
        try:
            return line.decode(code_page)
        except UnicodeDecodeError:
            continue
    return line.decode(_CODE_PAGES[-1])


def _lines(path: Path) -> list[bytes]:
    """Return a configuration's lines, as far as they end with a line feed.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is UTF-16, which the core cannot read.
    """
    content = read_file(path, "configuration", _LARGEST_BYTES)
    if content.startswith(_OTHER_MARKS):
        raise ConfigError(
            f"{path}:1: the file is UTF-16, which Micro-Manager cannot read",
            hint="Save it as UTF-8 or in the computer's own code page (ANSI).",
        )
    return content.split(b"\n")


def read_config(path: Path) -> list[CfgLine]:
    """Read the commands of a configuration as they are, without judging them.

    A byte order mark stays before the first one, as in the core. A line that is too long for it is the last one.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is UTF-16, which the core cannot read.
    """
    found = []
    for number, content in enumerate(_lines(path), start=1):
        if len(content) > _LONGEST:
            found.append(CfgLine(number, TOO_LONG, ()))
            break
        line, nul, _ = _decoded(content).split("\r", 1)[0].partition("\0")
        parts = [part for part in line.split(",") if part]
        if line.strip() and not line.startswith("#"):
            command, *fields = parts or [""]
            found.append(CfgLine(number, command, tuple(fields), bool(nul)))
    return found


def heading(path: Path, n_lines: int = 3) -> list[str]:
    """Return the comments that a configuration begins with, at most `n_lines` of them, for people.

    Raises
    ------
    ConfigError
        See `read_config`.
    """
    found = []
    for line in _lines(path)[:n_lines]:
        if not line.startswith(b"#"):
            break
        found.append(_decoded(line).lstrip("#").strip())
    return found


@contextmanager
def readable(path: Path, *, without_unfinished_presets: bool = False) -> Iterator[Path]:
    """Give a configuration to a core whose names become Python texts: the file itself, or a copy in UTF-8.

    Of a name in another encoding the core could not be asked. The lines are the same, and a copy is gone at the end.

    Parameters
    ----------
    path : Path
    without_unfinished_presets : bool
        Leave the lines of presets empty in which something is still to be filled in.

    Raises
    ------
    ConfigError
        See `read_config`; or if the copy cannot be written.
    """
    lines = _lines(path)
    unfinished = set(_unfinished_presets(path)) if without_unfinished_presets else set()
    lines = [b"" if number in unfinished else line for number, line in enumerate(lines, start=1)]
    if not unfinished and all(_is_utf8(line) for line in lines):
        yield path
        return
    try:
        # a folder that cannot be removed must not end what the copy was for
        folder = tempfile.TemporaryDirectory(prefix="hcc-scope-", ignore_cleanup_errors=True)
        copy = Path(folder.name) / "utf8.cfg"
        copy.write_bytes(b"\n".join(_decoded(line).encode() for line in lines))
    except OSError as error:
        raise ConfigError(
            f"a copy of {path} cannot be written: {error.strerror}", hint="Save the file as UTF-8."
        ) from error
    with folder:
        yield copy


def _unfinished_presets(path: Path) -> Iterator[int]:
    for line in read_config(path):
        if line.command in PRESETS and any(find_placeholders(",".join(line.fields), line.number)):
            yield line.number


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return line.startswith(b"#")
    return True
