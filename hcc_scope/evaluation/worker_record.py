"""``workers.jsonl`` of an evaluation on a cluster: which worker trained which network, with which versions.

The line of a network is written before the network is kept. After a kill in between, the network is trained again and
has a second line: the last one counts.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from hcc_scope.storage.files import ends_whole, explain

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
        with (folder / WORKERS_FILE).open("ab+") as file:
            cut = "" if ends_whole(file.fileno(), file.seek(0, os.SEEK_END)) else "\n"
            file.write(f"{cut}{json.dumps(line, sort_keys=True)}\n".encode())
    except OSError as error:
        raise explain(error, f"{folder / WORKERS_FILE} could not be written") from error
