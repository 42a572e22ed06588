"""Our engines, one frame at a time: cut into tiles, classified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.bench.scenes import make_scenes
from hcc_scope.bench.timing import timed
from hcc_scope.inference import load_model
from hcc_scope.inference.base import REFERENCE
from hcc_scope.inference.engines import candidates, check_engine, default_threads
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject

__all__ = ["EngineContender", "engine_names", "engine_threads", "precision_of"]


def engine_names() -> tuple[str, ...]:
    """Return the engines that can be used here, the reference first; what is chosen by itself (``auto``) is none."""
    return (REFERENCE, *(name for name in candidates(lambda sentence: None) if name != REFERENCE))


def engine_threads() -> int:
    """Return how many threads our engines get on this machine."""
    return default_threads()


def precision_of(engine: str) -> str | None:
    """Return the precision of an engine's products on the processor, or None if it does not compute there."""
    if engine.startswith("cuda"):
        return None
    return "bf16" if engine.endswith("bf16") else "fp32"


class EngineContender:
    """An engine, warmed up and self-tested by `hcc_scope.inference.loading.LoadedModel.classifier`."""

    def __init__(self, engine: str, model: str, side_px: int) -> None:
        check_engine(engine)  # now, and not after seconds
        (self._frame,) = make_scenes(side_px, 1)
        self._grid = TileGrid.for_frame(self._frame.shape)
        self._classifier = load_model(model).classifier(engine)

    @property
    def facts(self) -> JsonObject:
        """The engine's name in full."""
        return {"engine": self._classifier.engine}

    def round(self, request: JsonObject) -> JsonObject:
        """Classify ``frames`` frames."""
        n = int(request["frames"])
        with timed() as taken:
            for _ in range(n):
                self._classifier.classify(self._grid.cut(self._frame))
        return taken.account(n)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
