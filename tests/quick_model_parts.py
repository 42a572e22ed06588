"""What makes a training and its model quicker, for tests of what comes before and after them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import ModelError
from hcc_scope.training.attempts import fit_with_attempts

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def at_most_attempts(n: int) -> Iterator[None]:
    """Train a network that has learnt nothing `n` times at most: in a step or two hardly any learns, and three train.

    What an attempt is, ``test_training_attempts`` shows, and that an evaluation makes others, ``test_api``.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hcc_scope.evaluation.fold.MOST_ATTEMPTS", n)
        patch.setitem(fit_with_attempts.__kwdefaults__, "most_attempts", n)
        yield


@contextmanager
def without_program() -> Iterator[None]:
    """Let torch.export fail: a model is whole without its program, which takes seconds."""

    def fail(*_: object) -> bytes:
        raise ModelError("torch.export cannot make a program of this network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hcc_scope.training.export.to_program", fail)
        yield
