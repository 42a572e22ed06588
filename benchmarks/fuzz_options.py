"""Odd values of every option and argument of the command line."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fuzz import Case, Finding, generator, run_cases

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "BASES",
    "Ended",
    "cases_of",
    "invoke",
    "make_inputs",
    "obeying_modes",
    "options",
    "read_options",
    "run",
    "what_is_wrong",
]

FAMILY = "CLI options"

BASES: dict[str, tuple[str, ...]] = {
    "demo": ("--out", "{d}/out", "--model", "nosuch"),
    "acquire": ("--rig", "demo", "--animal", "a", "--section", "s", "--out", "{d}/out", "--model", "nosuch"),
    "replay": ("{d}/M1_S2.ome.zarr", "--model", "nosuch"),
    "recover": ("{d}/none.ome.zarr",),
    "devices": ("--config", "{d}/none.cfg"),
    "config lint": ("{d}/none.cfg",),
    "config new": ("--stand", "demo", "--camera", "nosuch", "--out", "{d}/out", "--no-try"),
    "train": ("{d}/none.csv", "--out", "{d}/out"),
    "evaluate": ("{d}/none.csv", "--out", "{d}/out"),
    "bench": ("--from", "{d}/none.json"),
    "models test": ("nosuch",),
    "models info": ("nosuch",),
    "models export": ("nosuch", "--out", "{d}/out"),
    "dataset check": ("{d}/none.csv",),
    "phantom cohort": ("--out", "{d}/out", "--image-px", "1000000"),
}
"""A command line of each command that is refused for one reason, late and without a camera; ``{d}`` is the folder."""

NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "-0",
    "1e309",
    "1e30",
    str(10**30),
    "0.5",
    "1e-320",
    "",
    " ",
    "7",
    "٣",
    "0x10",
)
"""Too large, too small, no numbers, and none at all."""
PATHS = (
    "{d}/fifo", "{d}/full", "{d}/file", "/dev/zero", "/dev/null", "{d}/" + "n" * 300, "{d}/" + "n/" * 2100,
    "{d}/loop", "{d}/nowhere", "{d}/file/below", "{d}/full/../file", "{d}/sp ace/ü/#?%", "-", "~", "", ".", "..", "/",
    "{d}/[bold]x[/]", "{d}/\x1b[31mx", "{d}/shut", "{d}/shut/below", "{d}/\udcff", "//127.0.0.1/share/x", "nosuch",
)  # fmt: skip
"""Not there, not of that kind, not to be opened, and not to be printed as they are."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def invoke(arguments: Sequence[str]) -> Ended:
    """Run one command in this process."""
    from hcc_scope.cli.program import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    return Ended(code, out.getvalue(), err.getvalue())


def options() -> dict[tuple[str, str], type]:
    """Return (command, option or "argument") to the type of its value, of all that take one."""
    import typer

    from hcc_scope.cli.acquisition_commands import app

    found: dict[tuple[str, str], type] = {}
    for name, command in _commands(typer.main.get_command(app)):
        for option in command.params if name in BASES else ():
            if not getattr(option, "is_flag", False):
                key = option.opts[0] if option.param_type_name == "option" else "argument"
                found[name, key] = option.type_descriptor.annotation
    return found


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own click
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
    else:
        yield " ".join(path), command


def cases_of(command: str, option: str, kind: type) -> list[Case]:
    """Return every odd value of one option, as arguments."""
    found = []
    for value in NUMBERS if kind in (int, float) else PATHS if kind is Path else (*NUMBERS, *PATHS):
        base = list(BASES[command])
        if option in ("--config", "--attach") and "--rig" in base:
            del base[base.index("--rig") : base.index("--rig") + 2]
        if option == "argument":
            base[0] = value
        elif option in base:
            base[base.index(option) + 1] = value
        else:
            base += [option, value]
        found.append(Case(f"{command} {option} {value!a}"[:90], [*command.split(), *base]))
    return found


def make_inputs(folder: Path) -> None:
    """Make what the arguments name: a small store, and everything that is not what it should be."""
    (folder / "full" / "of").mkdir(parents=True)
    (folder / "file").write_text("text\n")
    (folder / "loop").symlink_to("loop")
    (folder / "nowhere").symlink_to("not-there")
    os.mkfifo(folder / "fifo")
    (folder / "shut").mkdir()
    _make_store(folder)
    (folder / "shut").chmod(0)


def _make_store(folder: Path) -> None:
    from datetime import UTC, datetime

    from hcc_scope.storage.writer import create_store
    from hcc_scope.types import Frame, RunSpec

    spec = RunSpec(
        frame_shape_yx=(512, 512), bit_depth=14, pixel_size_um=0.325, animal_id="M1", section_id="S2", expected_frames=1
    )
    pixels = np.zeros((512, 512), np.uint16)
    pixels.flags.writeable = False
    with create_store(folder, spec) as writer:
        writer.append(
            Frame(
                seq=0,
                pixels=pixels,
                t_mono_ns=0,
                t_utc=datetime(2026, 1, 5, tzinfo=UTC),
                exposure_ms=10.0,
                section_id="S2",
            )
        )
    writer.finalise({"state": "completed"})


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_CAPABILITY_VERSION_3 = 0x20080522
_OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root into every folder."""


@contextlib.contextmanager
def obeying_modes() -> Iterator[None]:
    """Have this thread obey the modes of files and folders, also if it is root's (Linux; elsewhere nothing changes)."""
    if sys.platform != "linux" or os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    before = sets[0].effective

    def put(effective: int) -> None:
        sets[0].effective = effective
        if libc.capset(ctypes.byref(header), sets) != 0:
            raise OSError(ctypes.get_errno(), "capset")

    put(before & ~_OVERRIDES)
    try:
        yield
    finally:
        put(before)


def what_is_wrong(arguments: Sequence[str], folder: Path) -> tuple[str | None, Ended]:
    """Run a command below a folder with inputs; return what is wrong with how it ended, if anything, and how it did."""
    before = _names(folder)
    with contextlib.chdir(folder / "full"), obeying_modes():
        ended = invoke([argument.replace("{d}", str(folder)) for argument in arguments])
    left = _names(folder) - before
    if ended.code == 70:
        Path(ended.err.rpartition("details in ")[2].strip()).unlink()
    if ended.code == 70 or "Traceback" in ended.err:
        return ended.err.replace(str(folder), "")[:300], ended
    if left:
        return f"left behind: {', '.join(sorted(left))}", ended
    if ended.code and not ended.err.strip():
        return f"exit code {ended.code} without a word", ended
    if ended.code not in (0, 2) and (ended.err.count("\n") != 1 or not ended.err.startswith("Error: ")):
        return f"not one sentence: {ended.err}", ended
    if "\x1b" in ended.err + ended.out:
        return "an escape sequence reached the terminal", ended
    return None, ended


def read_options(arguments: Sequence[str], folder: Path) -> str | None:
    """Run a command below an empty folder."""
    from hcc_scope.errors import HccScopeError

    make_inputs(folder)
    wrong, ended = what_is_wrong(arguments, folder)
    if wrong is None and ended.code:
        raise HccScopeError(ended.err.replace(str(folder), "").strip())
    return wrong


def _names(folder: Path) -> set[str]:
    return {str(Path(at, name)) for at, folders, files in os.walk(folder) for name in (*folders, *files)}


def run(n: int, seed: int) -> list[Finding]:
    """Try `n` of all odd values; all of them if there are no more."""
    cases = [case for (command, option), kind in options().items() for case in cases_of(command, option, kind)]
    generator(FAMILY, seed, 0).shuffle(cases)
    return run_cases(FAMILY, read_options, cases[:n])
