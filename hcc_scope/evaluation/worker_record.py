"""``workers.jsonl`` of an evaluation on a cluster: which worker trained which network, with which versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcc_scope.storage.files import explain

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.executors.tasks import WorkerFacts

__all__ = ["WORKERS_FILE", "record_worker"]

WORKERS_FILE = "workers.jsonl"


def record_worker(folder: Path, network: str, worker: WorkerFacts | None) -> None:
    """Add a line for one network.

    Parameters
    ----------
    folder : Path
        Of the evaluation.
    network : str
        Its folder below that.
    worker : WorkerFacts, optional
        That trained it.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    if worker is None:
        return
    line = {"network": network, "worker": worker.name, "host": worker.host, "versions": dict(worker.versions)}
    try:
        with (folder / WORKERS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")
    except OSError as error:
        raise explain(error, f"{folder / WORKERS_FILE} could not be written") from error
