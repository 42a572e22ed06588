"""``hcc-scope reference``: take, estimate, list and show dark and flat fields (`hcc_scope.shading`)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hcc_scope.atomic_file import replace_file
from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.option_checks import check_exposure
from hcc_scope.cli.rigs import open_rig
from hcc_scope.cli.runs import interruptible
from hcc_scope.errors import StoreUnwritableError, UsageError
from hcc_scope.formatting import counted
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.runs.rigs import split_assignment
from hcc_scope.shading.files import list_references, load_reference
from hcc_scope.shading.freshness import MAX_AGE
from hcc_scope.shading.making import Refusal
from hcc_scope.shading.pictures import png_of, reference_picture, refusal_picture
from hcc_scope.shading.reference import describe_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.cli.console import People
    from hcc_scope.runs.reference_capture import ReferenceCapture
    from hcc_scope.shading.reference import Manifest, Reference, ReferenceKind

__all__ = ["run_estimate", "run_list", "run_show", "run_take"]


def run_take(
    kind: ReferenceKind,
    *,
    rig: str,
    n_shots: int | None,
    exposure_ms: float | None,
    properties: tuple[str, ...],
    yes: bool,
    picture: Path | None,
    json_mode: bool,
) -> None:
    """Guide a person through a reference, or take it without asking.

    Raises
    ------
    CameraError
        If the shots are refused, with the tile that shows why.
    HccScopeError
        See docs/errors.md.
    """
    from hcc_scope.runs.reference_capture import STEPS, ReferenceCapture, refused
    from hcc_scope.runs.references import need_references_dir

    check_exposure(exposure_ms)
    for assignment in properties:
        split_assignment(assignment)
    need_references_dir(load_rig(rig))
    _need_answers(yes)
    console = people(json_mode=json_mode)
    with interruptible("no reference was kept"), open_rig(rig, console) as opened:
        opened.set_properties(properties)
        if exposure_ms is not None:
            from hcc_scope.microscope.device_controls import DeviceControls

            DeviceControls(opened.microscope).set_exposure_ms(exposure_ms)
        capture = ReferenceCapture(opened, kind, n_shots)
        for number, step in enumerate(STEPS[kind], start=1):
            console.note(f"{number}. {step}")
        console.note(f"Settings: {describe_settings(capture.settings)}", "dim")
        _ask(f"Press Enter when this is done; {counted(capture.n_shots, 'shot')} will be taken.", yes=yes)
        with capture:
            made = _take(capture, console, yes=yes)
        if isinstance(made, Refusal):
            _write_picture(refusal_picture(made), picture)
            raise refused(made)
    _write_picture(reference_picture(made), picture)
    _report(made, console, json_mode=json_mode)


def _take(capture: ReferenceCapture, console: People, *, yes: bool) -> Reference | Refusal:
    """Take every shot, and make the reference; or return the first refusal."""
    if capture.kind == "dark" and not capture.closes_shutter:
        _ask("This rig has no shutter: switch the lamp off, and press Enter.", yes=yes)
    by_hand = capture.kind == "flat" and not capture.moves_stage
    if by_hand and yes:
        raise UsageError(
            "this rig has no motorised stage, so the fields of a flat field are moved by hand",
            hint="Leave out --yes, and move to another blank field when you are asked.",
        )
    while capture.wanted:
        if by_hand:
            _ask(f"Shot {capture.n + 1} of {capture.n_shots}: move to another blank field, and press Enter.", yes=yes)
        shot = capture.shoot()
        if shot.refusal is not None:
            return shot.refusal
        if capture.n % 8 == 0 or not capture.wanted:
            console.note(f"{capture.n} of {capture.n_shots} shots", "dim")
    return capture.finish()


def _need_answers(yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "the standard input is no terminal, so no question can be answered",
            hint="Give --yes if the lamp is off (dark), or the stage is on blank glass (flat).",
        )


def _ask(text: str, *, yes: bool) -> None:
    if not yes:
        sys.stderr.write(f"{text} ")
        sys.stderr.flush()
        if not sys.stdin.readline():
            raise UsageError("the standard input was closed", hint="Give --yes to take the shots without questions.")


def run_estimate(stores: Sequence[Path], *, rig: str, picture: Path | None, json_mode: bool) -> None:
    """Estimate a flat field from stored fields, and keep it for a rig.

    Raises
    ------
    HccScopeError
        See docs/errors.md.
    """
    from hcc_scope.runs.references import estimate_references
    from hcc_scope.storage.reader import open_store

    loaded = load_rig(rig)
    console = people(json_mode=json_mode)
    name = (loaded.path or loaded.config).name
    with interruptible("no reference was kept"):
        made = estimate_references(
            [open_store(path) for path in stores], loaded, name, lambda text: console.note(text, "yellow")
        )
    flat = made[-1]
    _write_picture(reference_picture(flat), picture)
    _report(flat, console, json_mode=json_mode)


def run_list(*, rig: str, json_mode: bool) -> None:
    """List what a rig's folder keeps.

    Raises
    ------
    ConfigError
        If the rig file names no folder.
    """
    from hcc_scope.runs.references import need_references_dir

    folder = need_references_dir(load_rig(rig))
    kept = list_references(folder)
    if json_mode:
        references = [{"name": one.name, **one.model_dump(mode="json")} for one in kept.manifests]
        print_json({"folder": str(folder), "references": references, "problems": list(kept.problems)})
        return
    console = people(json_mode=False)
    table = Table(box=None)
    for heading in ("name", "taken (UTC)", "shots", "for", ""):
        table.add_column(heading)
    now = datetime.now(UTC)
    for one in kept.manifests:
        remarks = ["estimated"] if one.estimated else []
        remarks += ["too old"] if now - one.t_utc > MAX_AGE[one.kind] else []
        settings = f"{one.settings.rig}: {describe_settings(one.settings)}"
        when = f"{one.t_utc.astimezone(UTC):%Y-%m-%d %H:%M}"
        table.add_row(one.name, when, str(one.shots), Text(settings), ", ".join(remarks))
    if kept.manifests:
        console.show(table)
    else:
        console.note(f"No reference is kept in {folder}.")
    for problem in kept.problems:
        console.note(problem, "yellow")


def run_show(name: str, *, rig: str, picture: Path | None, json_mode: bool) -> None:
    """Show one reference.

    Raises
    ------
    UsageError
        If no reference, or more than one, has that name.
    ConfigError
        If its map is damaged.
    """
    from hcc_scope.runs.references import need_references_dir

    folder = need_references_dir(load_rig(rig))
    found = [one for one in list_references(folder).manifests if one.name.startswith(name)]
    if len(found) != 1:
        what = "no reference" if not found else "more than one reference"
        raise UsageError(f"{folder} has {what} named {name!r}", hint="hcc-scope reference list names them.")
    reference = load_reference(folder, found[0])
    _write_picture(reference_picture(reference), picture)
    _report(reference, people(json_mode=json_mode), json_mode=json_mode)


# -- what is shown -----------------------------------------------------------------------------------------------------


def _report(reference: Reference, console: People, *, json_mode: bool) -> None:
    manifest, values = reference.manifest, reference.values
    if json_mode:
        print_json(
            {
                "name": manifest.name,
                **manifest.model_dump(mode="json"),
                "lowest": float(values.min()),
                "mean": float(values.mean()),
                "highest": float(values.max()),
            }
        )
        return
    estimated = " estimated from tissue," if manifest.estimated else ""
    console.note(f"{manifest.name}: {manifest.kind} field,{estimated} of {counted(manifest.shots, 'shot')}", "green")
    console.note(f"  for {manifest.settings.rig}: {describe_settings(manifest.settings)}")
    console.note(f"  {_range(manifest, values)}; it holds for {counted(MAX_AGE[manifest.kind].days, 'day')}")


def _range(manifest: Manifest, values: NDArray[np.float64]) -> str:
    low, mean, high = float(values.min()), float(values.mean()), float(values.max())
    if manifest.kind == "dark":
        return f"{mean:.1f} counts on average, {low:.1f} to {high:.1f}"
    return f"{low:.1%} to {high:.1%} of the mean light"


def _write_picture(picture: NDArray[np.uint8] | None, path: Path | None) -> None:
    if picture is None or path is None:
        return
    try:
        replace_file(path, png_of(picture), shared=True)
    except OSError as error:
        raise StoreUnwritableError(f"the picture {path} cannot be written: {error.strerror or error}") from error
