"""``hcc-scope bench``: how fast this machine is, next to plain scripts for the same tasks."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hcc_scope.cli.console import people
from hcc_scope.errors import StoreUnwritableError, UsageError
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.folders import leave_none_empty
from hcc_scope.storage.space import check_out_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["run_bench"]

_MOST_BYTES = 64 * 2**20


def run_bench(
    *,
    json_file: Path | None,
    only: Sequence[str],
    quick: bool,
    plots: Path | None,
    from_file: Path | None,
    out: Path | None,
    model_name: str,
    engine: str | None,
) -> None:
    """Measure (or take over an earlier measurement), show the ratios, and write what was asked for.

    Raises
    ------
    HccScopeError
        If there is no such part, an earlier result cannot be read, a page is wanted without a checkout, or one of ours
        fails.
    """
    from hcc_scope.bench.peers import find_peers

    voice = people(json_mode=False)
    for folder in (out, plots, None if json_file is None else json_file.parent):
        if folder is not None:  # now, and not after ten minutes
            check_out_dir(folder)
    if json_file is not None and json_file.is_dir():
        raise StoreUnwritableError(f"{json_file} is a folder", hint="Give --json FILE.")
    peers = find_peers()
    if plots is not None and peers is None:
        raise UsageError(
            "--plots needs a checkout of HCC-Scope: this installation lacks the code that draws the page",
            hint="Write the result with --json FILE, and give it there with --from FILE.",
        )
    if from_file is not None:
        result = _read(from_file)
    else:
        from hcc_scope.bench.suite import FULL, PARTS, QUICK, Suite

        unknown = [name for name in only if name not in PARTS]
        if unknown:
            raise UsageError(f"there is no benchmark '{unknown[0]}'", hint=f"There are: {', '.join(PARTS)}.")
        with _working_folder(out) as working:
            suite = Suite(
                folder=working,
                model=model_name,
                scale=QUICK if quick else FULL,
                engine=engine,
                say=lambda words: voice.note(words, "dim"),
                peers=peers,
            )
            result = suite.run(only or PARTS)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        voice.note(f"{json_file}")
    if peers is not None and plots is not None:
        for path in peers.write_page(result, plots):
            voice.note(f"{path}")
    voice.show(_rates(result))
    if result["targets"]:
        voice.show(_targets(result))
    if result["warning"]:
        voice.note(result["warning"], "yellow")


@contextmanager
def _working_folder(out: Path | None) -> Iterator[Path]:
    """Yield an empty folder, below `out` if one is given; nothing of it is left."""
    with leave_none_empty(out) if out is not None else nullcontext():
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="hcc-scope-bench-", dir=out) as folder:
            yield Path(folder)


def _read(path: Path) -> dict[str, Any]:
    try:
        result = json.loads(read_small_file(path, _MOST_BYTES))
    except OSError as error:
        raise UsageError(f"the benchmark result {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the benchmark result {path} is not JSON: {error}") from error
    if not isinstance(result, dict) or not {"ratios", "targets", "warning"} <= set(result):
        raise UsageError(f"{path} is no result of 'hcc-scope bench --json'")
    return result


def _rates(result: dict[str, Any]) -> Table:
    table = Table(title="Frames per second: median of the rounds, and their range", title_justify="left")
    for heading in ("", "frames/s", "range", "CPU s per 100 frames", "peak MiB"):
        table.add_column(heading, justify="left" if not heading else "right")

    def add(name: str, one: dict[str, Any]) -> None:
        cpu, peak = one.get("cpu_s_per_100_frames"), one.get("peak_mib")
        table.add_row(
            Text(name),
            f"{one['fps']:.1f}",
            f"{one['fps_min']:.1f} - {one['fps_max']:.1f}",
            "" if cpu is None else f"{cpu:.2f}",
            "" if peak is None else f"{peak:.0f}",
        )

    for part in ("classify", "store", "replay", "tracking"):
        for name, one in result.get(part, {}).items():
            add(f"{part}.{name}", one)
    for side_px, sides in result.get("end_to_end", {}).items():
        for name, one in sides.items():
            add(f"end_to_end.{side_px}.{name}", one)
    for network, sides in result.get("training", {}).items():
        for name, one in sides.items():
            add(f"training.{network}.{name}: tiles", one)
    return table


def _targets(result: dict[str, Any]) -> Table:
    table = Table(title="Wanted (2 cores, AVX512-BF16, frames of 2048 x 2048) and measured", title_justify="left")
    for heading in ("", "wanted", "measured", "reached"):
        table.add_column(heading)
    for target in result["targets"]:
        what, wanted = Text(target["what"]), Text(target["wanted"])
        table.add_row(what, wanted, f"{target['value']:.3g}", "yes" if target["reached"] else "no")
    return table
