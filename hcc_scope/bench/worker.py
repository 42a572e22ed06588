"""A contender's own process: ``python -m hcc_scope.bench.worker``, driven by `hcc_scope.bench.processes`.

One JSON object a line. First the contender's class (``module:Class``) and set-up, answered when it is ready; then one
request a line, each answered with what was measured; the end of the input ends it. Libraries print to stdout as they
like, so answers go through a copy of it, and file descriptor 1 is given to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Protocol, cast

from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.bench.figures import JsonObject

__all__ = ["Contender", "main", "make_contender"]


class Contender(Protocol):
    """Something that is measured, ready to start."""

    @property
    def facts(self) -> JsonObject:
        """What is worth knowing about it."""

    def round(self, request: JsonObject) -> JsonObject:
        """Do the work once; return what it took."""

    def close(self) -> None:
        """Let everything go."""


def make_contender(target: str, setup: JsonObject) -> Contender:
    """Make a contender of its class, named as ``module:Class``."""
    module, _, name = target.partition(":")
    factory = cast("Callable[..., Contender]", getattr(importlib.import_module(module), name))
    return factory(**setup)


def main() -> None:
    """Serve one contender until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(outcome: JsonObject | Failure) -> bool:
        """Send an answer; return whether it was a good one."""
        if isinstance(outcome, Failure):
            message = {"error": f"{type(outcome.error).__name__}: {outcome.error}"}
        else:
            message = outcome
        answers.write(json.dumps(message, allow_nan=False) + "\n")
        answers.flush()
        return not isinstance(outcome, Failure)

    first = json.loads(sys.stdin.readline())
    contender = attempt(lambda: make_contender(first["target"], first["setup"]))
    if isinstance(contender, Failure):
        answer(contender)
        return
    try:
        answer(contender.facts)
        for line in sys.stdin:
            request: JsonObject = json.loads(line)
            if not answer(attempt(lambda r=request: contender.round(r))):  # type: ignore[misc]  # a lambda's default has no place for its type
                return
    finally:
        contender.close()


if __name__ == "__main__":
    main()
