"""Our pipeline on Micro-Manager's demo camera: every frame stored, classified and scored."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.bench.demo_camera import show_texture
from hcc_scope.bench.timing import timed
from hcc_scope.errors import CheckError
from hcc_scope.inference import load_model
from hcc_scope.microscope.micromanager import MicroManager
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import Sequence
from hcc_scope.quality import QualityLimits
from hcc_scope.rig.adapters import test_adapters_dir
from hcc_scope.rig.rigfile import load_rig
from hcc_scope.scoring import SectionScorer
from hcc_scope.session import Session
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject
    from hcc_scope.protocols import FrameSource
    from hcc_scope.types import FrameResult, RunOutcome

__all__ = ["EVERY_TILE", "LiveContender", "require_complete"]

EVERY_TILE = QualityLimits(
    tissue_fraction_min=0.0, texture_cv=0.0, focus_min=0.0, saturated_fraction_max=1.0, mean_level_min=0.0
)
"""Limits that no tile misses: the demo camera's noise is no tissue, and every tile must be classified."""


class LiveContender:
    """A session on the demo rig, with the production's settings but for the limits of quality.

    Parameters
    ----------
    engine, model : str
        What classifies.
    folder : str
        On the disk that is measured.
    buffer_size_mb : int, optional
        Of the camera's buffer; the demo rig's by default.
    """

    def __init__(self, engine: str, model: str, folder: str, buffer_size_mb: int | None = None) -> None:
        self._folder = Path(folder)
        self._model = load_model(model)
        self._classifier = self._model.classifier(engine)
        rig = load_rig("demo")
        self._rig = MicroManager.start(
            rig.config,
            adapters_dir=test_adapters_dir(),
            buffer_size_mb=buffer_size_mb or rig.buffer_size_mb,
            roles=rig.roles,
            limits=rig.stage_limits,
        )

    @property
    def facts(self) -> JsonObject:
        """The engine's name in full."""
        return {"engine": self._classifier.engine}

    def round(self, request: JsonObject) -> JsonObject:
        """Acquire, store, classify and score ``frames`` frames of ``side_px``, exposed for ``exposure_ms`` each.

        Returns
        -------
        dict
            What it took; ``latencies_ms`` of every frame; ``put_off``, the frames that analysis had no room for when
            they came and that were classified later, from the store.

        Raises
        ------
        CheckError
            If a frame was lost or not classified.
        """
        n, side_px, exposure_ms = int(request["frames"]), int(request["side_px"]), float(request["exposure_ms"])
        core = self._rig.backend.core
        self._rig.thread.call("preparing the camera", lambda: show_texture(core, side_px, exposure_ms))
        source = MicroManagerSource(
            self._rig, Sequence(n_frames=n, exposure_ms=exposure_ms), animal_id="bench", section_id="s1"
        )
        self._model.check_matches(source.spec)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            latencies_ms, taken, outcome = self._run(source, Path(folder))
        require_complete(outcome, n)
        return taken | {
            "latencies_ms": latencies_ms,
            "put_off": sum("read" in latency_ms for latency_ms in latencies_ms),
            "counts": asdict(outcome.counts),
        }

    def _run(self, source: FrameSource, folder: Path) -> tuple[list[dict[str, float]], JsonObject, RunOutcome]:
        card = self._model.card
        sink = create_store(folder, source.spec)
        results = _Latencies(PredictionWriter(sink.path, source.spec, run="bench"))
        session = Session(
            source,
            sink,
            self._classifier,
            scorer=SectionScorer.for_section(
                source.spec, card.decision_threshold, card.temperature, threshold_interval=card.threshold_interval
            ),
            limits=EVERY_TILE,
            results=results,
            finalise=lambda outcome: sink.finalise({"state": outcome.state}),
        )
        with timed() as taken:
            session.start()
            outcome = session.join()
        return results.latencies_ms, taken.account(max(1, outcome.counts.acquired)), outcome

    def close(self) -> None:
        """Unload the devices."""
        self._rig.close()


class _Latencies:
    """A `hcc_scope.protocols.ResultSink` that also keeps every frame's latencies."""

    def __init__(self, inner: PredictionWriter) -> None:
        self._inner = inner
        self.latencies_ms: list[dict[str, float]] = []

    def append(self, result: FrameResult) -> None:
        self.latencies_ms.append(dict(result.latency_ms))
        self._inner.append(result)

    def close(self) -> None:
        self._inner.close()


def require_complete(outcome: RunOutcome, n_frames: int) -> None:
    """Raise unless every frame was classified.

    Raises
    ------
    CheckError
        A figure of a run that lost something would be worth nothing.
    """
    if outcome.cause is not None:
        raise outcome.cause
    if outcome.counts.classified != n_frames:
        raise CheckError(f"{outcome.counts.classified} of {n_frames} frames were classified: {outcome.counts}")
