"""``docs/benchmarks.md``: what was measured, on which machine, and how; made from a result by a command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.peers.plots import STAGES, draw_plots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from hcc_scope.bench.figures import JsonObject

__all__ = ["PAGE", "RESULT", "write_page"]

PAGE = "benchmarks.md"
RESULT = "result.json"
_FOLDER = "benchmarks"


def write_page(result: JsonObject, folder: Path) -> list[Path]:
    """Write the page, its plots and the result itself.

    Parameters
    ----------
    result : dict
        Of `hcc_scope.bench.suite.Suite.run`.
    folder : Path
        Takes ``benchmarks.md`` and the folder ``benchmarks``; earlier ones are replaced.

    Returns
    -------
    list of Path
        What was written; the page comes first.
    """
    plots = draw_plots(result, folder / _FOLDER)
    data = folder / _FOLDER / RESULT
    data.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    page = folder / PAGE
    page.write_text(_page(result, {path.stem for path in plots}), encoding="utf-8")
    return [page, data, *plots]


def _page(result: JsonObject, plots: set[str]) -> str:
    parts = [
        "# Benchmarks",
        f"<!-- Made by: hcc-scope bench --from docs/{_FOLDER}/{RESULT} --plots docs -->",
        "`make bench` (or `hcc-scope bench`) repeats all of this in a checkout on any machine; `hcc-scope bench --json "
        "FILE --plots FOLDER` writes such a page. An installed wheel measures HCC-Scope alone. Each comparison runs "
        "side by side: every contender is a process of its own, made "
        "ready before the clock starts; they take turns, in changing order; the clock stops when everything is closed. "
        "Figures are medians over the rounds, ratios medians of the ratio within a round. "
        f"All numbers: [{RESULT}]({_FOLDER}/{RESULT}).",
        _machine(result),
    ]
    if result["targets"]:
        parts += ["## Wanted and measured", _targets(result)]
    for part, title, write in (
        ("classify", "Classify", _classify),
        ("roofline", "Roofline", _roofline),
        ("store", "Store", _store),
        ("end_to_end", "End to end", _end_to_end),
        ("latency", "Latency", _latency),
        ("replay", "Replay", _replay),
        ("training", "Training", _training),
        ("tracking", "Tracking", _tracking),
    ):
        if part in result:
            parts.append(f"## {title}")
            if part in plots:
                parts.append(f"![{title}]({_FOLDER}/{part}.svg)")
            parts.append(write(result))
    if result["skipped"]:
        parts += ["## Left out", "\n".join(f"- {what}: {why}" for what, why in result["skipped"].items())]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(result: JsonObject) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    flags = ", ".join(machine["cpu_flags"]) or "not known"
    text = (
        f"Measured on {machine['measured_utc'][:10]} on {machine['cpu']}, {machine['cores']} cores ({flags}), "
        f"{machine['memory_gib']:g} GiB of memory, {machine['file_system']}, {machine['system']}, "
        f"Python {machine['python']}; {versions}. Load average {machine['load_average_at_start']} at the start; "
        f"the whole run took {result['seconds'] / 60:.1f} minutes."
    )
    if result["warning"]:
        text += f"\n\n**{result['warning']}**"
    if result["quick"]:
        text += "\n\n**A quick run: it shows that everything runs, not how fast.**"
    return text


def _targets(result: JsonObject) -> str:
    note = "For two cores with AVX512-BF16 and frames of 2048 x 2048; on another machine they only give the scale."
    rows = (
        (target["what"], target["wanted"], f"{target['value']:.3g}", "yes" if target["reached"] else "**no**")
        for target in result["targets"]
    )
    return f"{note}\n\n{_table(('', 'wanted', 'measured', 'reached'), rows)}"


def _fps(one: JsonObject) -> str:
    return f"{one['fps']:.1f} ({one['fps_min']:.1f} - {one['fps_max']:.1f})"


def _classify(result: JsonObject) -> str:
    classified = result["classify"]
    rows = (
        (f"`{name}`", _fps(one), f"{one['cpu_s_per_100_frames']:.1f}", f"{one['peak_mib']:.0f}", one["engine"])
        for name, one in classified.items()
    )
    cuda = any(name.startswith("cuda") for name in classified)
    side_px = result["side_px"]
    return (
        f"One frame of {side_px} x {side_px} at a time, cut into tiles of 512 and classified. `plain_batch16` and "
        "`plain_tilewise` are what a user would write: `torch.jit.load`, and the model called on all tiles of the "
        "frame as one batch, or on one after another."
        + ("" if cuda else " No CUDA engine was measured.")
        + "\n\n"
        + _table(("engine", "frames/s (range)", "CPU s per 100 frames", "peak MiB", "in full"), rows)
    )


def _roofline(result: JsonObject) -> str:
    roofline = result["roofline"]
    peaks = ", ".join(f"{peak:.0f} in {precision}" for precision, peak in roofline["peak_gmac_s"].items())
    rows = (
        (f"`{name}`", one["precision"], f"{one['gmac_s']:.1f}", f"{one['share_of_peak']:.1%}")
        for name, one in roofline["engines"].items()
    )
    return (
        f"The network asks for {roofline['gmac_per_frame']:.2f} x 1e9 multiply-adds per frame (counted while torch "
        f"runs it). Square matrix products on {roofline['threads']} threads reach, in 1e9 multiply-adds per second, "
        f"{peaks}. This network cannot get there: its layers of 8 or 16 maps do few multiply-adds for each byte that "
        "they read and write."
        "\n\n" + _table(("engine", "precision", "1e9 multiply-adds/s", "of the peak"), rows)
    )


def _store(result: JsonObject) -> str:
    stored = result["store"]
    side_px = result["side_px"]
    rows = (
        (
            f"`{name}`",
            _fps(one),
            f"{one['cpu_s_per_100_frames']:.2f}",
            f"{one['peak_mib']:.0f}",
            f"{one['frames'] * side_px**2 * 2 / 2**20 / one['mib']:.2f}",
        )
        for name, one in stored.items()
    )
    paced = (
        (
            f"`{name}`",
            rate,
            f"{one['fps']:.1f}",
            *(f"{one['lag_ms'][p]:.1f}" for p in ("p50", "p95", "p99")),
            f"{one['cpu_s_per_100_frames']:.2f}",
            f"{one['grown_mib']:.0f}",
        )
        for name, account in stored.items()
        for rate, one in account["paced"].items()
    )
    return (
        f"Frames of {side_px} x {side_px} of photon noise, one shard per frame, chunks of 512, blosc lz4 with bit "
        "shuffling (ome-writers offers byte shuffling only). `ours` syncs every frame to disk, computes its checksum "
        "and keeps a journal; none of the others does any of these. Memory is the process's, the frames to write "
        "included.\n\n"
        + _table(("writer", "frames/s (range)", "CPU s per 100 frames", "peak MiB", "compression"), rows)
        + "\n\nAt a camera's pace; the lag is how long after a frame was due the writer had taken it over. Each frame "
        "is a new copy here, as out of a camera, and its copying is part of the CPU time.\n\n"
        + _table(("writer", "camera", "frames/s", "lag p50 ms", "p95", "p99", "CPU s/100", "memory grown MiB"), paced)
    )


def _end_to_end(result: JsonObject) -> str:
    rows = []
    for side_px, sides in result["end_to_end"].items():
        sustained = sides["sustained"]
        ratio = result["ratios"].get(f"end_to_end.{side_px}.ours_to_plain")
        rows.append(
            (
                f"{side_px} x {side_px}",
                _fps(sides["ours"]),
                "" if ratio is None else _fps(sides["plain"]),
                "" if ratio is None else f"{ratio:.1f}",
                f"{sustained['rate_hz']:.1f}: {sustained['put_off']} of {sustained['frames']} put off, "
                f"{sustained['counts']['lost']} lost, p95 {sustained['latency_ms']['p95']:.0f} ms",
            )
        )
    return (
        "Micro-Manager's demo camera at full rate -> stored, classified, scored, predictions on disk, everything "
        f"closed; engine `{result['engine']}`. The plain composition is pycromanager's `Acquisition` with an "
        "`image_process_fn` that writes with zarr-python and calls the TorchScript model on a frame's tiles as one "
        "batch. The camera (`FastImage`) repeats one frame of noise; noise is no tissue, so the limits of quality are "
        "set such that every tile is classified, on both sides. At full rate the camera is far ahead of the model: "
        "frames for which analysis has no room are put off and classified later from the store, which is part of the "
        "time; none is left at the end. The last column is a camera at 90 % of the measured rate.\n\n"
        + _table(("frame", "ours, frames/s", "plain, frames/s", "ratio", "sustained, frames/s"), rows)
    )


def _latency(result: JsonObject) -> str:
    rows = []
    for rate, one in result["latency"].items():
        for stage in (*STAGES, "total"):
            if stage in one["stages"]:
                values = one["stages"][stage]
                rows.append((rate, stage, *(f"{values[p]:.2f}" for p in ("p50", "p95", "p99"))))
    put_off = ", ".join(f"{one['put_off']} of {one['frames']} at {rate}" for rate, one in result["latency"].items())
    side_px = result["side_px"]
    return (
        f"Milliseconds from the end of an exposure to the score, frames of {side_px} x {side_px}, engine "
        f"`{result['engine']}`, every frame stored meanwhile. Frames put off: {put_off}.\n\n"
        + _table(("frames/s", "stage", "p50", "p95", "p99"), rows)
    )


def _replay(result: JsonObject) -> str:
    rows = ((cache, _fps(one), f"{one['read_fps']:.1f}") for cache, one in result["replay"].items())
    return (
        "A stored section, each frame decoded and its checksum compared; classified again, or only read. Cold: the "
        "system dropped the files from its cache before.\n\n"
        + _table(("cache", "classified again, frames/s", "read only, frames/s"), rows)
    )


def _training(result: JsonObject) -> str:
    rows = (
        (
            f"`{network}`",
            name,
            _fps(one),
            _ratio_of_training(result, network) if name == "ours" else "",
            f"{one['cpu_s_per_100_frames']:.1f}",
            f"{one['peak_mib']:.0f}",
            one["engine"],
        )
        for network, sides in result["training"].items()
        for name, one in sides.items()
    )
    return (
        "Tiles of 512 x 512 learnt from per second. Ours is the loop of `hcc-scope train` with its recipe `modern`: "
        "each tile is read, turned and lit anew by a thread beside it. The plain loop is what one writes first, "
        "with the same layers: float32, NCHW, batches of 16, tiles that lie ready in memory.\n\n"
        + _table(("network", "loop", "tiles/s (range)", "ratio", "CPU s per 100 tiles", "peak MiB", "in full"), rows)
    )


def _ratio_of_training(result: JsonObject, network: str) -> str:
    ratio = result["ratios"].get(f"training.{network}.ours_to_plain")
    return "" if ratio is None else f"{ratio:.1f}"


def _tracking(result: JsonObject) -> str:
    rows = (
        (name, _fps(one), f"{10 * one['cpu_s_per_100_frames']:.1f}", f"{one['peak_mib']:.0f}", one["engine"])
        for name, one in result["tracking"].items()
    )
    ratio = result["ratios"].get("tracking.ours_to_plain")
    return (
        "Live frames of a hand-moved stage, on one core. Ours measures each against the frame before and against key "
        "frames, accepts no shift that the overlap does not confirm, and adds up a position. The plain side is the "
        "highest peak of the phase correlation of whole frames, which has none of this"
        + ("" if ratio is None else f"; ours is {ratio:.1f} times as fast")
        + ".\n\n"
        + _table(("", "frames/s (range)", "processor ms a frame", "peak MiB", "in full"), rows)
    )
