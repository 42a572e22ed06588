"""The programs that we compare ours with: `benchmarks.peers` in a checkout, nothing in an installed wheel.

The peers are no part of the program: they go past its doors to the libraries, as a user's script would. So the wheel
does not carry them, and this module finds them by their place.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from hcc_scope.resources import checkout_dir

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject

__all__ = ["NO_PEERS", "Checkout", "Contenders", "NoPeers", "Peers", "find_peers"]

Contenders: TypeAlias = "dict[str, tuple[str, JsonObject]]"
"""Name of a contender to its class (``module:Class``) and what the class takes."""

NO_PEERS = (
    "this installation carries no peers to compare with, so only HCC-Scope itself is measured; "
    "a checkout of its repository has them (`make bench`)"
)


class Peers(Protocol):
    """What takes part beside our own contenders, part by part."""

    def classifier_contenders(self, model_file: str, side_px: int) -> Contenders:
        """Return what else classifies a frame."""

    def writer_contenders(self, side_px: int, folder: str) -> Contenders:
        """Return other writers."""

    def missing_writers(self) -> dict[str, str]:
        """Return the writers whose package is not installed: name to package."""

    def live_contenders(self, model_file: str, folder: str) -> Contenders:
        """Return what else goes from camera to score."""

    def training_contenders(self, network: str) -> Contenders:
        """Return other training loops."""

    def tracking_contenders(self, side_px: int) -> Contenders:
        """Return what else measures the shift between live frames."""

    def roofline_contenders(self, model: str) -> Contenders:
        """Return what measures the processor's peak."""


class Checkout(Peers, Protocol):
    """`benchmarks.peers`: the peers, and what writes the page."""

    def write_page(self, result: JsonObject, folder: Path) -> list[Path]:
        """Write the result as a page with plots; return the files, the page first."""


class NoPeers:
    """An installed wheel."""

    def classifier_contenders(self, model_file: str, side_px: int) -> Contenders:
        """Return none."""
        return {}

    def writer_contenders(self, side_px: int, folder: str) -> Contenders:
        """Return none."""
        return {}

    def missing_writers(self) -> dict[str, str]:
        """Return none."""
        return {}

    def live_contenders(self, model_file: str, folder: str) -> Contenders:
        """Return none."""
        return {}

    def training_contenders(self, network: str) -> Contenders:
        """Return none."""
        return {}

    def tracking_contenders(self, side_px: int) -> Contenders:
        """Return none."""
        return {}

    def roofline_contenders(self, model: str) -> Contenders:
        """Return none."""
        return {}


def find_peers() -> Checkout | None:
    """Return the peers of the checkout that this program runs from; None for an installed wheel."""
    checkout = checkout_dir()
    if checkout is None or not (checkout / "benchmarks" / "peers" / "__init__.py").is_file():
        return None
    peers = importlib.import_module("benchmarks.peers")
    ours = peers.__file__ is not None and Path(peers.__file__).is_relative_to(checkout)
    return cast("Checkout", peers) if ours else None  # another package may have the same name
