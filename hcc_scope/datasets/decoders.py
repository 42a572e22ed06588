"""Runs the decoders of image files: whatever they raise over a broken file becomes one sentence about that file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hcc_scope.errors import HccScopeError, ImageError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["decoded", "reason_of"]

T = TypeVar("T")


def decoded(where: Path | str, what: str, body: Callable[[], T]) -> T:
    """Return what a decoder returns; decoders raise anything over a broken file.

    Parameters
    ----------
    where : Path or str
        The file, or the file and its page.
    what : str
        What failed, as the sentence continues: ``cannot be read`` ...
    body : callable
        The decoder.

    Raises
    ------
    ImageError
        In place of every error of the decoder.
    """
    with np.errstate(all="ignore"):  # tifffile divides by any value that a damaged header states
        result = attempt(body)
    if not isinstance(result, Failure):
        return result
    error = result.error
    if isinstance(error, ImageError) or not isinstance(error, Exception):
        raise error
    if isinstance(error, HccScopeError):
        raise ImageError(error.message, hint=error.hint) from error
    if isinstance(error, MemoryError):
        raise ImageError(f"{where} is too large for this machine's memory") from error
    raise ImageError(
        f"{where} {what}: {reason_of(error)}", hint="It may be damaged; copy it again from where it came."
    ) from error


def reason_of(error: Exception) -> str:
    """Return the words of a decoder's error, as far as they are about the file and not about its own code."""
    if isinstance(error, (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)):
        return "its headers state impossible values"
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
