"""``hcc-scope focus try``: one search for the focus, its curve, and everything as it was found."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.rigs import attach_rig, open_rig
from hcc_scope.cli.runs import Interrupted, called_on_signals, interruptible
from hcc_scope.errors import DeviceError, UsageError
from hcc_scope.focus import FocusSettings
from hcc_scope.formatting import counted
from hcc_scope.runs.rigs import check_rig, split_assignment
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hcc_scope.cli.console import People
    from hcc_scope.cli.rigs import OpenRig
    from hcc_scope.focus import FocusPoint, FocusResult
    from hcc_scope.microscope.phantom_scene import PhantomScene

__all__ = ["TryOptions", "curve_lines", "run_try"]

_BAR = 40
"""Columns of the longest bar."""


@dataclass(frozen=True, slots=True)
class TryOptions:
    """The options of the command line."""

    rig: str | None
    config: Path | None
    adapters: Path | None
    attach_port: int | None
    properties: tuple[str, ...]
    phantom: str | None
    seed: int
    structure: bool
    apply: bool
    json_mode: bool


def run_try(options: TryOptions) -> None:
    """Search once, and show the curve.

    Raises
    ------
    DeviceError
        If no height is accepted, or a device fails.
    HccScopeError
        See docs/errors.md.
    """
    from hcc_scope.microscope.autofocus import Autofocus
    from hcc_scope.microscope.core_thread import Stopped

    _check(options)
    console = people(json_mode=options.json_mode)
    settings = FocusSettings(judged="structure" if options.structure else "tissue")
    stop = StopToken()

    def on_signal(_number: int, _frame: object) -> None:
        stop.request()
        console.note("Stopping: the focus drive goes back to where it was.", "yellow")

    with interruptible("nothing was moved") as meaning, _open(options, console) as rig:
        rig.set_properties(options.properties)
        scene = _scene(options)
        console.note("Searching the focus ...", "dim")
        with nullcontext() if scene is None else closing(scene), called_on_signals(on_signal):
            try:
                result = Autofocus(rig.microscope, scene=scene, settings=settings).run(
                    stop, keep=options.apply, mode="try"
                )
            except Stopped as stopped:
                error = Interrupted("interrupted: no focus was found")
                for note in getattr(stopped, "__notes__", ()):
                    error.add_note(note)
                raise error from stopped
        meaning.now("the search had ended; the rig may not have been closed properly")
    if options.json_mode:
        facts = {**result.as_facts(), "explanation": result.explanation, "applied": options.apply and result.accepted}
        print_json(facts)
    else:
        for line in curve_lines(result, "█" if console.console.encoding.startswith("utf") else "#"):
            console.note(line)
        if result.accepted:
            console.note(f"{result.explanation[0].upper()}{result.explanation[1:]}.", "green")
        if not (options.apply and result.accepted):
            console.note(f"The focus drive is back at z = {round(result.began_um, 2) + 0.0:.2f} um.")
    if not result.accepted:
        raise DeviceError(f"no focus was found: {result.explanation}", hint="docs/focus.md explains each reason.")


def _check(options: TryOptions) -> None:
    if options.attach_port is not None and (options.config, options.adapters) != (None, None):
        raise UsageError("--attach uses the configuration and adapters that are loaded there")
    if options.rig is not None and options.config is not None:
        raise UsageError("--rig and --config exclude each other", hint="A rig file names its .cfg itself.")
    if options.phantom not in (None, "low", "high"):
        raise UsageError(f"--phantom is 'low' or 'high', not '{options.phantom}'")
    for assignment in options.properties:
        split_assignment(assignment)
    if (chosen := _rig_of(options)) is not None:
        check_rig(chosen, adapters_dir=options.adapters)
    elif options.attach_port is None:
        raise UsageError(
            "no microscope is given", hint="Use --rig FILE (or 'demo'), --config FILE.cfg or --attach PORT."
        )


def _rig_of(options: TryOptions) -> str | Path | None:
    return options.rig if options.rig is not None else options.config


def _open(options: TryOptions, console: People) -> AbstractContextManager[OpenRig]:
    if options.attach_port is not None:
        return attach_rig(options.attach_port, options.rig)
    return open_rig(cast("str | Path", _rig_of(options)), console, adapters_dir=options.adapters)


def _scene(options: TryOptions) -> PhantomScene | None:
    if options.phantom is None:
        return None
    from hcc_scope.microscope.phantom_scene import PhantomScene
    from hcc_scope.phantom import Specimen

    tumour_class = cast("Literal['low', 'high']", options.phantom)
    return PhantomScene(Specimen(options.seed, "focus", "try", tumour_class, day="focus"))


def curve_lines(result: FocusResult, mark: str) -> Iterator[str]:
    """Yield the curve as lines of text, lowest height first, each with a bar of `mark`; none where no tile was judged.

    Parameters
    ----------
    result : FocusResult
    mark : str
        One character.
    """
    if not result.curve:
        return
    tiles = "tissue tiles" if result.settings.judged == "tissue" else "tiles with structure"
    yield f"{result.judged_tiles} of {result.tiles} tiles judged ({tiles}), {counted(len(result.curve), 'frame')}"
    if not result.judged_tiles:
        return
    yield f"{'z (um)':>9}  {'focus':>7}  {'Tenengrad':>9}"
    highest = max(point.focus for point in result.curve)
    last = result.curve[-1]
    for point in sorted(result.curve, key=lambda one: one.z_um):
        bar = mark * round(_BAR * point.focus / highest) if highest > 0 else ""
        chosen = "  <- accepted" if result.accepted and point is last else ""
        yield f"{_numbers(point)}  {bar}{chosen}"


def _numbers(point: FocusPoint) -> str:
    return f"{round(point.z_um, 2) + 0.0:9.2f}  {point.focus:7.4f}  {point.tenengrad:9.3g}"
