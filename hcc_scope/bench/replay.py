"""A stored section, read and classified again: from the disk, or from the system's cache."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_scope.bench.live import EVERY_TILE, require_complete
from hcc_scope.bench.scenes import make_scenes
from hcc_scope.bench.timing import timed
from hcc_scope.bench.writers import OursWriter
from hcc_scope.inference import load_model
from hcc_scope.session import Session
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.storage.source import StoreSource
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject

__all__ = ["ReplayContender", "can_forget"]

_N_SCENES = 8


def can_forget() -> bool:
    """Return whether this system can drop a file from its cache."""
    return hasattr(os, "posix_fadvise")


class ReplayContender:
    """A store of ``frames`` frames, written when it is made, and an engine."""

    def __init__(self, engine: str, model: str, folder: str, side_px: int, frames: int) -> None:
        self._model = load_model(model)
        self._classifier = self._model.classifier(engine)
        self._n = frames
        self._folder = tempfile.TemporaryDirectory(dir=folder)
        scenes = make_scenes(side_px, min(_N_SCENES, frames))
        writer = OursWriter(Path(self._folder.name), frames, side_px)
        for seq in range(frames):
            writer.append(seq, scenes[seq % len(scenes)])
        writer.close()
        self._path = writer.path

    @property
    def facts(self) -> JsonObject:
        """The engine's name in full."""
        return {"engine": self._classifier.engine}

    def round(self, request: JsonObject) -> JsonObject:
        """Read every frame, and if ``classify`` classify and score it too; after dropping the files if ``cold``."""
        if request["cold"]:
            self._forget()
        with timed() as taken:
            if request["classify"]:
                self._classify()
            else:
                for _ in StoreSource(open_store(self._path)).frames(StopToken()):
                    pass  # read, decoded, checksum compared
        return taken.account(self._n)

    def _classify(self) -> None:
        card = self._model.card
        store = open_store(self._path)
        source = StoreSource(store)
        scorer = store_scorer(store, card.decision_threshold, card.temperature, card.threshold_interval)
        session = Session(source, None, self._classifier, scorer=scorer, limits=EVERY_TILE)
        session.start()
        outcome = session.join()
        require_complete(outcome, self._n)

    def _forget(self) -> None:
        """Drop the store's files from the system's cache; they are synced, so all of them can go."""
        for path in self._path.rglob("*"):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(descriptor)

    def close(self) -> None:
        """Delete the store."""
        self._folder.cleanup()
