"""Interim: what hcc_scope.runs will offer."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hcc_scope.errors import HccScopeError, ModelError
from hcc_scope.quality import QualityLimits
from hcc_scope.report.summary import SectionReport, section_account
from hcc_scope.scoring import SectionScorer


@dataclass(frozen=True, slots=True)
class Analyst:
    model: Any
    classifier: Any

    @property
    def facts(self):
        card = self.model.card
        return {
            "model": card.name,
            "model_folder": str(self.model.folder),
            "engine": self.classifier.name,
            "temperature": card.temperature,
            "decision_threshold": card.decision_threshold,
            **{f"quality_{name}": limit for name, limit in QualityLimits().as_dict().items()},
        }

    def scorer(self, source):
        card = self.model.card
        return SectionScorer(card.decision_threshold, card.temperature, source.spec.sampling)


def load_analyst(name, engine, note, fall_back=False):
    from hcc_scope.inference import load_model

    model = load_model(name)
    return Analyst(model, model.classifier(engine, note=note))


@dataclass(frozen=True, slots=True)
class OpenRig:
    microscope: Any

    def is_demo(self):
        return self.microscope.facts().library == "DemoCamera"

    def stage_xy_um(self):
        place = self.microscope.thread.call("asking the stage", self.microscope.hardware.stage_um)
        return None if place is None else (place[0], place[1])


@contextmanager
def open_rig(rig_or_cfg, note, *, adapters_dir=None):
    from hcc_scope.rig.adapters import test_adapters_dir
    from hcc_scope.rig.config import check
    from hcc_scope.rig.rigfile import load_rig

    rig = load_rig(rig_or_cfg)
    folder = adapters_dir or rig.adapters_dir or test_adapters_dir()
    for finding in check(rig.config, folder):
        note(str(finding))
    from hcc_scope.sources.micromanager import MicroManager

    with MicroManager.start(
        rig.config,
        adapters_dir=folder,
        buffer_size_mb=rig.buffer_size_mb,
        roles=rig.roles,
        limits=rig.stage_limits,
        pixel_size_um=rig.pixel_size_um,
    ) as microscope:
        yield OpenRig(microscope)


class _Results(dict):
    def __init__(self, writer):
        super().__init__()
        self._writer = writer

    def append(self, result):
        self._writer.append(result)
        self[result.seq] = result

    def close(self):
        self._writer.close()

    def __getattr__(self, name):
        return getattr(self._writer, name)


class SectionRun:
    def __init__(self, session, spec, grid, results, path):
        self.session, self.spec, self.grid, self.results, self.store_path = session, spec, grid, results, path

    def finish(self):
        outcome = self.session.join()
        return SectionReport(self.spec.animal_id, self.spec.section_id, str(self.store_path), outcome)


def start_section(source, analyst, out_dir, stop=None, interval_s=None):
    from hcc_scope.session import Session
    from hcc_scope.storage.predictions import PredictionWriter
    from hcc_scope.storage.writer import create_store
    from hcc_scope.tiling import TileGrid

    spec = source.spec
    grid = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)
    analyst.model.check_matches(spec)
    if stop.requested:
        raise HccScopeError("interrupted before the first frame; nothing was acquired")
    sink = create_store(out_dir, spec, interval_s=interval_s)
    results = _Results(PredictionWriter(sink.path, spec, run=f"live-{uuid.uuid4().hex[:8]}"))

    def finalise(outcome):
        sink.finalise(section_account(SectionReport(spec.animal_id, spec.section_id, sink.path.name, outcome)))

    session = Session(
        source, sink, analyst.classifier, scorer=analyst.scorer(source), limits=QualityLimits(), results=results,
        stop=stop, finalise=finalise, store=str(sink.path),
    )
    session.start()
    return SectionRun(session, spec, grid, results, sink.path)
