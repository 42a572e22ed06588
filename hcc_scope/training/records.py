"""Check the files of a run as they are read: types, ranges, consistency. Imports no torch."""

from __future__ import annotations

import pydantic

__all__ = ["EpochRecord", "StrictRecord", "one_line"]


_WORDS = {"extra_forbidden": "there is no such key", "missing": "it is missing", "json_invalid": "it is no JSON"}
"""In place of pydantic's, by its types."""


class StrictRecord(pydantic.BaseModel):
    """Part of a file: no key that is not known, no number that is none, nothing converted."""

    model_config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class EpochRecord(StrictRecord):
    """A `hcc_scope.training.fit_result.Epoch` in a file."""

    epoch: int = pydantic.Field(ge=1)
    loss: float
    held_out_loss: float | None
    held_out_auc: float | None = pydantic.Field(ge=0, le=1)
    learning_rate: float = pydantic.Field(ge=0)
    seconds: float = pydantic.Field(ge=0)


def one_line(error: BaseException) -> str:
    """Return what is wrong with a file, on one line."""
    if isinstance(error, pydantic.ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        problem = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
        return f"{where}: {problem}" if where else problem
    if isinstance(error, KeyError):
        return f"{error.args[0] if error.args else 'a key'} is missing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    return (str(error).splitlines() or [type(error).__name__])[0]
