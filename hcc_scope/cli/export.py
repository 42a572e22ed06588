"""``hcc-scope export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcc_scope.cli.console import people, print_json
from hcc_scope.cli.progress_bar import steps_shown
from hcc_scope.cli.runs import interruptible
from hcc_scope.formatting import sentence
from hcc_scope.runs.export_sections import SectionExport, describe_exported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hcc_scope.runs.export_sections import ExportedSection

__all__ = ["run_export"]


def run_export(
    stores: Sequence[Path], kinds: Sequence[str], *, out_dir: Path | None, options: Mapping[str, str], json_mode: bool
) -> None:
    """Export each section in each kind, and report what was written.

    Parameters
    ----------
    stores : sequence of Path
    kinds : sequence of str
        Their names.
    out_dir : Path or None
        None: beside each store.
    options : mapping
        Options of the kinds that were given, by name.
    json_mode : bool

    Raises
    ------
    HccScopeError
        If something cannot be begun; else after everything was tried, the first error.
    """
    console = people(json_mode=json_mode)
    with interruptible("what was not whole is removed, and the sections are as they were"):
        with steps_shown(console) as on_step:
            export = SectionExport(stores, kinds, out_dir=out_dir, options=options, on_progress=on_step)
            export.check()
            found = export.run()
    for one in found:
        if one.outcome is not None:
            console.note(one.outcome.describe())
        for remark in () if one.outcome is None else one.outcome.left_out:
            console.note(f"  {sentence(remark)}", "yellow")
        if one.error is not None and len(found) > 1:
            console.note(one.describe(), "yellow")
    if json_mode:
        print_json({"exports": [_account(one) for one in found]})
    elif len(found) > 1 or found[0].error is None:  # one alone that failed is the error that ends the command
        console.note(describe_exported(found))
    for one in found:
        if one.error is not None:
            raise one.error


def _account(one: ExportedSection) -> dict[str, Any]:
    return {
        "store": str(one.store),
        "kind": one.kind.name,
        "path": None if one.outcome is None else str(one.outcome.path),
        "what": None if one.outcome is None else one.outcome.what,
        "left_out": [] if one.outcome is None else list(one.outcome.left_out),
        "error": None if one.error is None else str(one.error),
    }
