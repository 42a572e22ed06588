"""The programs that ``hcc-scope bench`` compares with, in a checkout: `hcc_scope.bench.peers` finds this package.

======================  =======================================================================================
`~.plain`               the same tasks as a user would write them with the libraries alone
`~.zarr_array`          zarr-python with the layout of our stores
`~.writers`             acquire-zarr, ome-writers and zarr-python
`~.correlation`         phase correlation of whole live frames
`~.gemm`                the processor's arithmetic peak, and what the network asks for
`~.page`, `~.plots`     the figures as a page
======================  =======================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.bench.figures import JsonObject
    from hcc_scope.bench.peers import Contenders

__all__ = [
    "classifier_contenders",
    "live_contenders",
    "missing_writers",
    "roofline_contenders",
    "tracking_contenders",
    "training_contenders",
    "write_page",
    "writer_contenders",
]


def classifier_contenders(model_file: str, side_px: int) -> Contenders:
    """Return what a user would write to classify a frame."""
    setup = {"model_file": model_file, "side_px": side_px}
    target = "benchmarks.peers.plain:PlainClassifier"
    return {
        "plain_batch16": (target, {"tilewise": False, **setup}),
        "plain_tilewise": (target, {"tilewise": True, **setup}),
    }


def writer_contenders(side_px: int, folder: str) -> Contenders:
    """Return the writers that are installed."""
    from benchmarks.peers.writers import WRITERS, missing_package

    target = "benchmarks.peers.writers:PeerWriterContender"
    return {
        writer: (target, {"writer": writer, "side_px": side_px, "folder": folder})
        for writer in WRITERS
        if missing_package(writer) is None
    }


def missing_writers() -> dict[str, str]:
    """Return the writers that are not installed: name to package."""
    from benchmarks.peers.writers import WRITERS, missing_package

    packages = {writer: missing_package(writer) for writer in WRITERS}
    return {writer: package for writer, package in packages.items() if package is not None}


def live_contenders(model_file: str, folder: str) -> Contenders:
    """Return the plain composition from camera to score."""
    return {"plain": ("benchmarks.peers.plain:PlainLive", {"model_file": model_file, "folder": folder})}


def training_contenders(network: str) -> Contenders:
    """Return the training loop that one writes first."""
    return {"plain": ("benchmarks.peers.plain:PlainTrainer", {"network": network})}


def tracking_contenders(side_px: int) -> Contenders:
    """Return the phase correlation that one writes first."""
    return {"plain": ("benchmarks.peers.correlation:PlainFollower", {"side_px": side_px})}


def roofline_contenders(model: str) -> Contenders:
    """Return what measures the processor's peak."""
    return {"gemm": ("benchmarks.peers.gemm:GemmContender", {"model": model})}


def write_page(result: JsonObject, folder: Path) -> list[Path]:
    """Write the page, its plots and the result itself; see `benchmarks.peers.page.write_page`."""
    from benchmarks.peers.page import write_page

    return write_page(result, folder)
