"""Which executor the options ``--workers`` and ``--scheduler`` ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.cores import usable_cores
from hcc_scope.errors import UsageError
from hcc_scope.executors.local import LocalExecutor
from hcc_scope.executors.this_process import ThisProcess

if TYPE_CHECKING:
    from hcc_scope.executors.tasks import Executor

__all__ = ["open_executor"]


def open_executor(
    workers: int | None = None, scheduler: str | None = None, *, n_threads: int | None = None
) -> Executor:
    """Return an executor to enter.

    Parameters
    ----------
    workers : int, optional
        Processes of this machine; None: as many as it has cores. One worker is this very process.
    scheduler : str, optional
        The address of a Dask cluster, ``tcp://host:8786``, in place of processes of this machine.
    n_threads : int, optional
        That work may use in each process of this machine; None: so that all share its cores.

    Raises
    ------
    UsageError
        If both are given, there are fewer than one worker, or the extra ``cluster`` is not installed.
    """
    if scheduler is not None:
        if workers is not None:
            raise UsageError(
                "--workers counts processes of this machine, and --scheduler uses those of a cluster",
                hint="Give one of them.",
            )
        from hcc_scope.executors.dask import DaskExecutor

        return DaskExecutor(scheduler)
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers do nothing", hint="Ask for at least 1.")
    n = workers or usable_cores()
    return ThisProcess(n_threads) if n == 1 else LocalExecutor(n, n_threads)
