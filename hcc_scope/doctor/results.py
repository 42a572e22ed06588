"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from hcc_scope.errors import HccScopeError
from hcc_scope.formatting import counted, full_stop, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "EXIT_WARNED",
    "Fact",
    "Result",
    "Verdict",
    "exit_code",
    "failed",
    "not_tried",
    "passed",
    "result_from_json",
    "summary",
    "warned",
    "worst",
]

Verdict = Literal["pass", "warn", "fail", "not tried"]
Fact = str | int | float | bool | None

EXIT_WARNED = 3
"""Exit code where a warning is the worst that was found (docs/errors.md)."""
_BEST_FIRST: tuple[Verdict, ...] = ("not tried", "pass", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found."""

    name: str
    """Of the check, as in `hcc_scope.doctor.checks`."""
    title: str
    """For people."""
    verdict: Verdict
    words: str
    """What was found, or why the check was not tried: one sentence."""
    advice: str = ""
    """What to do; empty where nothing is to be done."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What was measured, each with its unit in its name."""
    exit_code: int = 0
    """Of a check that failed: that of its error. 0 of any other."""
    seconds: float = 0.0
    """How long the check took."""

    def line(self) -> str:
        """Return title, words and advice as one line."""
        return " ".join(filter(None, (f"{self.title}:", full_stop(self.words), self.advice)))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def result_from_json(found: Mapping[str, Any]) -> Result:
    """Return what `Result.as_json` made.

    Raises
    ------
    ValueError
        If it is none.
    """
    if found.get("verdict") not in get_args(Verdict):
        raise ValueError(f"{found.get('verdict')!r} is no verdict")
    return Result(**found)


def passed(words: str, **facts: Fact) -> Result:
    """Return a result without complaint; its check is filled in by `hcc_scope.doctor.checks.Check.run`."""
    return Result("", "", "pass", sentence(words), "", facts)


def warned(words: str, advice: str, **facts: Fact) -> Result:
    """Return a result that is worth knowing, and does not keep a section from being acquired."""
    return Result("", "", "warn", sentence(words), full_stop(advice), facts)


def failed(error: HccScopeError | str, advice: str = "", *, exit_code: int = 1, **facts: Fact) -> Result:
    """Return a result that keeps a section from being acquired, or from being true.

    Parameters
    ----------
    error : HccScopeError or str
        What is wrong. An error brings its own hint and exit code.
    advice : str
        What to do, where `error` is a text or has no hint.
    exit_code : int
        Where `error` is a text.
    """
    if isinstance(error, HccScopeError):
        advice, exit_code, words = error.hint or advice, error.exit_code, error.message
    else:
        words = error
    return Result("", "", "fail", sentence(words), full_stop(advice), facts, exit_code)


def not_tried(why: str, advice: str = "") -> Result:
    """Return the result of a check that could not be made, or was not asked for."""
    return Result("", "", "not tried", sentence(why), full_stop(advice))


def worst(results: Iterable[Result]) -> Verdict:
    """Return the worst verdict; ``pass`` if there is none."""
    return max((result.verdict for result in results), key=_BEST_FIRST.index, default="pass")


def exit_code(results: Sequence[Result]) -> int:
    """Return 0 if nothing is wrong, `EXIT_WARNED` for warnings, else the code of the first check that failed."""
    first = next((result.exit_code for result in results if result.verdict == "fail"), None)
    if first is not None:
        return first
    return EXIT_WARNED if worst(results) == "warn" else 0


def summary(results: Sequence[Result]) -> str:
    """Return how many checks ended in which way, as a sentence."""
    n = {verdict: sum(result.verdict == verdict for result in results) for verdict in _BEST_FIRST}
    parts = [
        f"{n['fail']} failed" if n["fail"] else "",
        counted(n["warn"], "warning") if n["warn"] else "",
        f"{n['pass']} passed",
        f"{n['not tried']} not tried" if n["not tried"] else "",
    ]
    return f"{counted(len(results), 'check')}: {', '.join(filter(None, parts))}."
