"""Numbers as people write them into a configuration, and the values that Micro-Manager's core reads."""

from __future__ import annotations

import math
import re

__all__ = ["is_number", "plain_number", "taken_number"]

_BLANKS = r"[ \t\r\n\f\v]*"
"""What the core skips before a number: no other blanks, such as a no-break one."""
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""The core reads no other digits, and Python those of any script."""
_PLAIN = re.compile(rf"{_BLANKS}({_NUMBER}){_BLANKS}")
_START = re.compile(rf"{_BLANKS}({_NUMBER}|[+-]?(?:nan|inf(?:inity)?))", re.IGNORECASE)
_REMARK = re.compile(rf"{_BLANKS}({_NUMBER})(?:\s+\S.*|[uµμ]m\s*)")


def is_number(text: str) -> bool:
    """Return whether a text is a finite number in decimal notation and nothing else."""
    return plain_number(text) is not None


def plain_number(text: str, *, remark_too: bool = False) -> float | None:
    """Return the finite number that a text is; None if it is none.

    Stricter than Python, which takes ``0_325`` for 325 and ``nan`` for a number. Blanks around it do not matter.

    Parameters
    ----------
    text : str
    remark_too : bool
        Allow words behind the number and a blank, or the unit um: the core does not read on there.
    """
    found = _PLAIN.fullmatch(text) or (_REMARK.fullmatch(text) if remark_too else None)
    number = math.nan if found is None else float(found[1])
    return number if math.isfinite(number) else None


def taken_number(text: str) -> float:
    """Return what the core takes a text for: the number at its start, or 0."""
    found = _START.match(text)
    return 0.0 if found is None else float(found[1])
