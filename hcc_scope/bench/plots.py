"""The figures of a benchmark as plots, one SVG file per part. The same result gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from hcc_scope.bench.figures import JsonObject

__all__ = ["STAGES", "draw_plots"]

STAGES = ("acquire", "queue", "read", "quality", "tile", "classify", "score")
"""Of a frame's way to its score, in order; ``read`` only where analysis had put the frame off."""

_OURS, _OTHERS, _THIRD = "#2166ac", "#999999", "#b2182b"  # distinct without colour vision too
_PEERS = ("#e08214", "#1b7837", "#762a83")
_STAGE_COLOURS = ("#bababa", "#e0e0e0", "#f4a582", "#92c5de", "#4393c3", _OURS, "#053061")


def draw_plots(result: JsonObject, folder: Path) -> list[Path]:
    """Draw every part that was measured.

    Parameters
    ----------
    result : dict
        Of `hcc_scope.bench.suite.Suite.run`.
    folder : Path
        Made if missing; plots that are there are replaced.

    Returns
    -------
    list of Path
        The files, in the order of the page.
    """
    plots: dict[str, tuple[int, Callable[[JsonObject, list[Axes]], None]]] = {
        "classify": (1, _classify),
        "roofline": (1, _roofline),
        "store": (3, _store),
        "end_to_end": (1, _end_to_end),
        "latency": (1, _latency),
        "replay": (1, _replay),
        "training": (1, _training),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    with mpl.rc_context({"svg.hashsalt": "hcc-scope", "svg.fonttype": "none", "font.size": 9.0}):
        for part, (n_axes, draw) in plots.items():
            if part in result:
                figure = Figure(figsize=(8.0, 3.0), layout="constrained")
                FigureCanvasSVG(figure)
                axes = [figure.add_subplot(1, n_axes, i + 1) for i in range(n_axes)]
                for one in axes:
                    one.spines[["top", "right"]].set_visible(False)
                draw(result, axes)
                path = folder / f"{part}.svg"
                figure.savefig(path, metadata={"Date": None})
                paths.append(path)
    return paths


def _words(name: str) -> str:
    return name.replace("_", " ")


def _bars(axes: Axes, accounts: Mapping[str, JsonObject], ours: Callable[[str], bool]) -> None:
    """Draw frames/s as horizontal bars, the range of the rounds as whiskers."""
    names = list(accounts)[::-1]
    fps = [accounts[name]["fps"] for name in names]
    down = [accounts[name]["fps"] - accounts[name]["fps_min"] for name in names]
    up = [accounts[name]["fps_max"] - accounts[name]["fps"] for name in names]
    colours = [_OURS if ours(name) else _OTHERS for name in names]
    bars = axes.barh([_words(name) for name in names], fps, xerr=[down, up], color=colours, error_kw={"lw": 1.0})
    axes.bar_label(bars, [f" {value:.1f}" for value in fps])
    axes.set_xlim(0, 1.15 * max(accounts[name]["fps_max"] for name in names))
    axes.set_xlabel("frames/s")


def _classify(result: JsonObject, axes: list[Axes]) -> None:
    side_px = result["side_px"]
    _bars(axes[0], result["classify"], lambda name: not name.startswith("plain"))
    axes[0].set_title(f"Classify frames of {side_px} x {side_px}")


def _roofline(result: JsonObject, axes: list[Axes]) -> None:
    roofline = result["roofline"]
    engines = roofline["engines"]
    names = list(engines)[::-1]
    bars = axes[0].barh(names, [engines[name]["gmac_s"] for name in names], color=_OURS)
    axes[0].bar_label(bars, [f" {engines[name]['share_of_peak']:.0%} of the peak" for name in names])
    for (precision, peak), style in zip(roofline["peak_gmac_s"].items(), ("--", "-"), strict=True):
        axes[0].axvline(peak, color=_THIRD, linestyle=style, label=f"matrix products, {precision}: {peak:.0f}")
    axes[0].set_xscale("log")
    axes[0].set_xlim(1.0, None)
    axes[0].set_xlabel("1e9 multiply-adds per second")
    axes[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, 1.2), ncols=2)


def _store(result: JsonObject, axes: list[Axes]) -> None:
    stored = result["store"]
    _bars(axes[0], stored, lambda name: name == "ours")
    axes[0].set_title("As fast as possible")
    looks = dict(zip(stored, zip((_OURS, *_PEERS), "osv^", strict=True), strict=False))
    for name, one in stored.items():
        rates = [float(rate) for rate in one["paced"]]
        colour, marker = looks[name]
        line = {"color": colour, "marker": marker, "label": _words(name)}
        # what is taken over at once lags by microseconds: 0.01 ms is the floor of the picture
        axes[1].plot(rates, [max(0.01, paced["lag_ms"]["p95"]) for paced in one["paced"].values()], **line)
        axes[2].plot(rates, [paced["grown_mib"] for paced in one["paced"].values()], **line)
    axes[1].set_yscale("log")
    axes[1].set_title("Lag p95, ms")
    axes[2].set_title("Memory grown, MiB")
    for one in axes[1:]:
        one.set_xlabel("camera, frames/s")
    axes[2].legend(frameon=False)


def _end_to_end(result: JsonObject, axes: list[Axes]) -> None:
    measured = result["end_to_end"]
    places = range(len(measured))
    for shift, (name, colour) in zip((-0.2, 0.2), (("ours", _OURS), ("plain", _OTHERS)), strict=True):
        fps = [sides[name]["fps"] for sides in measured.values()]
        bars = axes[0].bar([place + shift for place in places], fps, 0.38, color=colour, label=name)
        axes[0].bar_label(bars, [f"{value:.1f}" for value in fps])
    axes[0].set_xticks(list(places), [f"{side_px} x {side_px}" for side_px in measured])
    axes[0].set_yscale("log")
    axes[0].set_ylim(0.1, None)
    axes[0].set_ylabel("frames/s")
    axes[0].set_title("Camera to score: stored, classified, scored")
    axes[0].legend(frameon=False)


def _latency(result: JsonObject, axes: list[Axes]) -> None:
    by_rate = result["latency"]
    places = list(range(len(by_rate)))
    left = [0.0] * len(places)
    for stage, colour in zip(STAGES, _STAGE_COLOURS, strict=True):
        widths = [one["stages"].get(stage, {}).get("p50", 0.0) for one in by_rate.values()]
        if any(widths):
            axes[0].barh(places, widths, left=left, color=colour, label=f"{stage} p50")
            left = [a + b for a, b in zip(left, widths, strict=True)]
    for percentile, marker in (("p95", "|"), ("p99", "x")):
        totals = [one["stages"]["total"][percentile] for one in by_rate.values()]
        axes[0].plot(totals, places, marker, color=_THIRD, markersize=10, label=f"total {percentile}")
    axes[0].set_yticks(places, [f"{rate} frames/s" for rate in by_rate])
    axes[0].set_xlabel("ms from the end of the exposure")
    axes[0].legend(frameon=False, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _replay(result: JsonObject, axes: list[Axes]) -> None:
    measured = result["replay"]
    places = range(len(measured))
    for shift, key, colour, label in (
        (-0.2, "fps", _OURS, "classified again"),
        (0.2, "read_fps", _OTHERS, "read only"),
    ):
        fps = [one[key] for one in measured.values()]
        bars = axes[0].barh([place + shift for place in places], fps, 0.38, color=colour, label=label)
        axes[0].bar_label(bars, [f" {value:.1f}" for value in fps])
    axes[0].set_yticks(list(places), [f"{cache} cache" for cache in measured])
    axes[0].set_xlabel("frames/s")
    axes[0].legend(frameon=False)


def _training(result: JsonObject, axes: list[Axes]) -> None:
    accounts = {
        f"{network}, {'ours' if name == 'ours' else 'plain loop'}": one
        for network, sides in result["training"].items()
        for name, one in sides.items()
    }
    _bars(axes[0], accounts, lambda name: name.endswith("ours"))
    axes[0].set_xlabel("tiles/s")
    axes[0].set_title("Train on tiles of 512 x 512")
