"""Numbers as people read them: counts, shares, scores, sizes and times, worded once for window, reports and commands.

A number in words may be shorter than the number, never another one: a share that is not all is never ``100 %``, one
that is not nothing is never ``0 %``, and a score below the threshold never reads like one above it.

>>> counted(1, "frame"), percent(0.9996), format_score(0.4991, 0.497665)
('1 frame', 'over 99.9 %', '0.499')
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "capital",
    "counted",
    "describe_exposure",
    "format_bytes",
    "format_duration",
    "format_number",
    "format_score",
    "format_threshold",
    "format_utc",
    "full_stop",
    "percent",
    "sentence",
    "significant",
]

_MOST_DECIMALS = 6
_THRESHOLD_DECIMALS = 4


def counted(n: int, what: str, plural: str | None = None) -> str:
    """Return a number of things.

    Parameters
    ----------
    n : int
    what : str
        One of them.
    plural : str, optional
        Several of them, where an ``s`` does not do.

    Examples
    --------
    >>> counted(1, "frame"), counted(0, "frame"), counted(2000, "frame"), counted(2, "entry", "entries")
    ('1 frame', '0 frames', '2,000 frames', '2 entries')
    """
    return f"{n:,} {what if n == 1 else plural or f'{what}s'}"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Examples
    --------
    >>> listed(["score", "grey level", "focus"])
    'score, grey level and focus'
    """
    *most, last = words or [""]
    return f"{', '.join(most)} and {last}" if most else last


def format_number(value: float, decimals: int) -> str:
    """Return a number with at most so many decimals, without useless zeros and never with an exponent.

    Examples
    --------
    >>> format_number(20.0, 3), format_number(-0.0001, 2), format_number(0.1625, 4), format_number(300, 1)
    ('20', '0', '0.1625', '300')
    """
    text = f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def describe_exposure(exposure_ms: float) -> str:
    """Return an exposure for a person; that of an image whose file states none is not a number.

    Examples
    --------
    >>> describe_exposure(12.5), describe_exposure(math.nan)
    ('exposure 12.5 ms', 'exposure not known')
    """
    if math.isnan(exposure_ms):
        return "exposure not known"
    return f"exposure {format_number(exposure_ms, 3)} ms"


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits; an exponent only where zeros would fill the line.

    Examples
    --------
    >>> significant(0.32512), significant(123456.0), significant(0.5), significant(2.5e-7)
    ('0.325', '123456', '0.5', '2.5e-07')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    size = math.floor(math.log10(abs(value)))
    if size < -_MOST_DECIMALS:
        return f"{value:.{digits}g}"
    return format_number(value, max(0, digits - 1 - size))


def percent(share: float, decimals: int | None = None) -> str:
    """Return a share of 1 in per cent, with a blank before the sign.

    ``0 %`` and ``100 %`` are exact: what is only nearly nothing or all reads ``under`` or ``over``.

    Parameters
    ----------
    share : float
        0 to 1; beyond that the number is as it is. NaN is ``unknown``.
    decimals : int, optional
        At most so many; by default one below 10 %, none above.

    Examples
    --------
    >>> percent(1.0), percent(0.123), percent(0.0334), percent(0.0002), percent(0.0), percent(0.99999)
    ('100 %', '12 %', '3.3 %', 'under 0.1 %', '0 %', 'over 99.9 %')
    """
    if not math.isfinite(share):
        return "unknown"
    finest = 1 if decimals is None else decimals
    coarse = (1 if abs(share) < 0.0995 else 0) if decimals is None else decimals
    step = 10.0**-finest
    for places in sorted({coarse, finest}):
        text = format_number(100 * share, places)
        if not ((share > 0 and text == "0") or (share < 1 and text == "100") or (share > 1 and text == "100")):
            return f"{text} %"
    if share < 0.5:
        return f"under {format_number(step, finest)} %"
    edge = 100 - step if share < 1 else 100.0
    return f"over {format_number(edge, finest)} %"


def format_score(score: float, threshold: float | None = None, decimals: int = 2) -> str:
    """Return a score or probability, with as many digits more as it takes to see on which side of a threshold it is.

    Parameters
    ----------
    score : float
        0 to 1.
    threshold : float, optional
        The decision threshold that it is read beside.
    decimals : int
        That it has at least.

    Examples
    --------
    >>> format_score(0.4991, 0.497665), format_score(0.4962, 0.497665), format_score(0.83, 0.497665), format_score(0.83)
    ('0.499', '0.496', '0.83', '0.83')
    """
    return f"{score:.{_decimals(score, threshold, decimals)}f}"


def format_threshold(threshold: float, *scores: float | None, decimals: int = 2) -> str:
    """Return a threshold, fine enough for the scores that stand beside it.

    Without scores it has up to four decimals, since it is compared with all possible scores.

    Examples
    --------
    >>> format_threshold(0.5), format_threshold(0.497665)
    ('0.50', '0.4977')
    >>> format_threshold(0.497665, 0.83), format_threshold(0.497665, 0.4991)
    ('0.50', '0.498')
    """
    known = [score for score in scores if score is not None]
    if known:
        return f"{threshold:.{max(_decimals(score, threshold, decimals) for score in known)}f}"
    text = format_number(threshold, _THRESHOLD_DECIMALS)
    return text if len(text.partition(".")[2]) >= decimals else f"{threshold:.{decimals}f}"


def _decimals(score: float, threshold: float | None, least: int) -> int:
    """Return with how many decimals a score and a threshold read differently, if they differ."""
    if threshold is None or score == threshold or not math.isfinite(score):
        return least
    places = least
    while places < _MOST_DECIMALS and f"{score:.{places}f}" == f"{threshold:.{places}f}":
        places += 1
    return places


def format_bytes(n_bytes: float) -> str:
    """Return a size in the largest unit that keeps it above 1.

    Examples
    --------
    >>> format_bytes(1.34e9), format_bytes(85e6), format_bytes(999.7e6), format_bytes(1200), format_bytes(1)
    ('1.3 GB', '85 MB', '1 GB', '1 kB', '1 byte')
    """
    for factor, unit, decimals in ((1e12, "TB", 1), (1e9, "GB", 1), (1e6, "MB", 0), (1e3, "kB", 0)):
        # what would round up to 1000 of a unit is 1 of the next
        if n_bytes >= factor * (1 if unit == "kB" else 0.9995):
            return f"{format_number(n_bytes / factor, decimals if n_bytes < 100 * factor else 0)} {unit}"
    return counted(round(n_bytes), "byte")


def format_duration(seconds: float | None) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> format_duration(42.4), format_duration(130), format_duration(3900), format_duration(None)
    ('42 s', '2 min 10 s', '1 h 5 min', 'unknown')
    """
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def format_utc(when: datetime | str | object, *, seconds: bool = True) -> str:
    """Return a moment as a person reads it: to the second or minute, in UTC and with that label.

    Parameters
    ----------
    when : datetime or str
        Aware, or ISO 8601 as stores keep it; a naive one is taken for UTC, as our files mean it. Anything else is
        ``an unknown time``.
    seconds : bool
        Whether to include seconds.

    Examples
    --------
    >>> format_utc("2026-11-29T16:12:03.123456+00:00"), format_utc("2026-11-29T17:12:03+01:00", seconds=False)
    ('2026-11-29 16:12:03 UTC', '2026-11-29 16:12 UTC')
    >>> format_utc("yesterday")
    'an unknown time'
    """
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when)
        except ValueError:
            return "an unknown time"
    if not isinstance(when, datetime):
        return "an unknown time"
    try:
        moment = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError:  # year 1 or 9999, in another zone
        return "an unknown time"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if seconds else "%Y-%m-%d %H:%M UTC")


def full_stop(text: str) -> str:
    """Return words that end like a sentence.

    Examples
    --------
    >>> full_stop("no field was stored"), full_stop("Why not? ")
    ('no field was stored.', 'Why not?')
    """
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


_FILE_FIRST = re.compile(r"\S*[./\\_:]\w")
"""Of a text whose first word is a file or a path: another case would name another one."""


def capital(text: str) -> str:
    """Return words with a capital first letter; the others stay as they are, and so does a unit or a file's name.

    Examples
    --------
    >>> capital("no answer from DCam"), capital("µm are missing"), capital("")
    ('No answer from DCam', 'µm are missing', '')
    >>> capital("my.rig.yaml:2: no such key")
    'my.rig.yaml:2: no such key'
    """
    return text if text.startswith("µ") or _FILE_FIRST.match(text) else text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Return words with a capital first letter and a full stop.

    Examples
    --------
    >>> sentence("no field was stored")
    'No field was stored.'
    """
    return capital(full_stop(text))
