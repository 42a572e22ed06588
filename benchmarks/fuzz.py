"""Damaged inputs of every kind that the program reads, with fixed seeds: each must be read or refused with a message.

``python -m benchmarks fuzz [--n N] [--seed S] [MODULE ...]`` prints, per family, how many were tried, refused,
read, read wrongly, crashed and hung, and then every case that was not as it should be.

Design
------
- A family is a list of `Case` and a function at the level of its module, ``read(payload, folder)``. It writes the
  damaged input into `folder`, which is empty, and reads it as the program would. It returns None if what it read may
  stand, or a sentence that names what is wrong with it ("frame 3 is another one"). Raising `HccScopeError` is a refusal
  in words.
- Cases run one after another in a child process, which is killed when a case takes longer than `limit_s` and started
  anew after a crash: what a case does to its process is a finding, not the end of the fuzzer.
- A module of families has ``run(n, seed)`` that returns the findings of `n` cases of each of its families. The same `n`
  and `seed` give the same cases.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import multiprocessing
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hcc_scope.errors import HccScopeError
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

__all__ = [
    "BAD",
    "Case",
    "Finding",
    "changed_leaf",
    "damaged_bytes",
    "damaged_text",
    "generator",
    "one_child",
    "outcome_of",
    "run_cases",
    "run_families",
]

Outcome = Literal["refused", "read", "wrong", "crashed", "hung"]

MODULES = (
    "fuzz_settings", "fuzz_options", "fuzz_store", "fuzz_models", "fuzz_datasets", "fuzz_training", "fuzz_imports",
)  # fmt: skip
"""Of this package; each has ``run(n, seed)``."""
BAD: frozenset[Outcome] = frozenset({"wrong", "crashed", "hung"})
LIMIT_S = 30.0
START_S = 60.0
LIMIT_BYTES = 4 * 2**30
"""Of address space, beyond what the child has at the first case."""


@dataclass(frozen=True, slots=True)
class Case:
    """One damaged input."""

    name: str
    """What was done to it, for people."""
    payload: Any
    """What ``read`` makes the input from; goes to the child by pickle."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one case."""

    family: str
    case: str
    outcome: Outcome
    words: str = ""
    """The refusal, what was wrong, or how it crashed."""

    @property
    def bad(self) -> bool:
        """Whether the program did what it must not do."""
        return self.outcome in BAD

    def __str__(self) -> str:
        return f"{self.family}: {self.case}: {self.outcome}{f' ({self.words})' if self.words else ''}"


# ---- damage


def generator(family: str, seed: int, number: int) -> random.Random:
    """Return the source of chance of case `number`: it depends on nothing else, so `n` cases begin as `n + 1` do."""
    return random.Random(f"{family} {seed} {number}")


def damaged_bytes(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return what was done to `data`, and the result: bits flipped, a part cut, zeroed, repeated, or made noise."""
    if not data:
        return "empty", data
    way = chance.choice(("flip", "cut", "zero", "repeat", "noise", "drop"))
    at = chance.randrange(len(data))
    length = min(len(data) - at, chance.choice((1, 2, 4, 8, 64, 512)))
    match way:
        case "flip":
            out = bytearray(data)
            for _ in range(chance.choice((1, 1, 2, 8))):
                out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
            return "bits flipped", bytes(out)
        case "cut":
            return f"cut after {at} bytes", data[:at]
        case "zero":
            return f"{length} bytes zeroed at {at}", data[:at] + bytes(length) + data[at + length :]
        case "repeat":
            return f"{length} bytes repeated at {at}", data[: at + length] + data[at:]
        case "noise":
            return f"{length} bytes of noise at {at}", data[:at] + chance.randbytes(length) + data[at + length :]
        case _:
            return f"{length} bytes left out at {at}", data[:at] + data[at + length :]


ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), float("-inf"), 10**30,
    -(10**30), 2**31, 2**63, "", " ", "0", "nan", "0x10", "1e400", "true", "../..", "/", "a" * 300, "[bold]", "[/]",
    "<b>x</b>", "\x1b[31m", "\u202e", "\x00", "é", "null", [], [[]], {}, {"": ""}, [None], [1, "a"], [1e400],
)  # fmt: skip
"""Values in place of others. nan and inf are values that Python's own JSON and YAML read and write."""

ODD_WORDS = tuple(
    value if isinstance(value, str) else "" if value is None else json.dumps(value) for value in ODD_VALUES
)


def damaged_text(text: str, chance: random.Random, separators: str = ",:\n") -> tuple[str, str]:
    """Return what was done to `text`, and the result: a word replaced by an odd one, or a line lost, doubled, moved."""
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    way = chance.choice(("word", "word", "word", "drop", "double", "swap", "indent", "letters"))
    match way:
        case "word":
            separator = chance.choice([mark for mark in separators if mark in lines[at]] or ["\n"])
            words = lines[at].split(separator)
            where = chance.randrange(len(words))
            new = chance.choice(ODD_WORDS)
            old, words[where] = words[where], new
            lines[at] = separator.join(words)
            what = f"line {at + 1}: {_short(old)} became {_short(new)}"
        case "drop":
            what = f"line {at + 1} left out"
            del lines[at]
        case "double":
            what = f"line {at + 1} doubled"
            lines.insert(at, lines[at])
        case "swap":
            other = chance.randrange(len(lines))
            what = f"lines {at + 1} and {other + 1} exchanged"
            lines[at], lines[other] = lines[other], lines[at]
        case "indent":
            what = f"line {at + 1} indented"
            lines[at] = chance.choice((" ", "  ", "\t")) + lines[at]
        case _:
            new = "".join(chance.choice("\x00\t:,-[]{}&*!|>'\"%@`#\u202e\ud7ff") for _ in range(3))
            what = f"line {at + 1}: {_short(new)} inserted"
            where = chance.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:where] + new + lines[at][where:]
    return what, "\n".join(lines)


def changed_leaf(value: Any, chance: random.Random) -> tuple[str, Any]:  # noqa: ANN401 - any JSON
    """Return what was done, and a copy of a JSON or YAML value with one key or item odd, missing or one too many."""
    places = list(_places(value))
    path = chance.choice(places) if places else ()
    if not path:
        new = chance.choice(ODD_VALUES)
        return f"all became {_short(new)}", new
    changed = deepcopy(value)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    where = "/".join(map(str, path))
    if chance.random() < 0.15:
        del holder[path[-1]]
        return f"{where} left out", changed
    if chance.random() < 0.1:
        if isinstance(holder, dict):
            holder["surplus"] = chance.choice(ODD_VALUES)
        else:
            holder.append(deepcopy(holder[path[-1]]))
        return f"one too many beside {where}", changed
    old, holder[path[-1]] = holder[path[-1]], chance.choice(ODD_VALUES)
    return f"{where}: {_short(old)} became {_short(holder[path[-1]])}", changed


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """Yield the path of every key and item below a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from _places(item, (*path, key))


def _short(value: object) -> str:
    words = ascii(value)
    return words if len(words) <= 40 else f"{words[:37]}..."


# ---- the runner


Read = Callable[[Any, Path], str | None]
"""Takes a case's payload and an empty folder; a function at the level of a module."""


def run_cases(
    family: str,
    read: Read,
    cases: Sequence[Case],
    *,
    limit_s: float = LIMIT_S,
    start_s: float = START_S,
    limit_bytes: int | None = LIMIT_BYTES,
) -> list[Finding]:
    """Return what becomes of every case of one family; as `run_families`."""
    return run_families([(family, read, cases)], limit_s=limit_s, start_s=start_s, limit_bytes=limit_bytes)


def run_families(
    families: Sequence[tuple[str, Read, Sequence[Case]]],
    *,
    limit_s: float = LIMIT_S,
    start_s: float = START_S,
    limit_bytes: int | None = LIMIT_BYTES,
) -> list[Finding]:
    """Return what becomes of every case of several families, in one process as long as it lives.

    Parameters
    ----------
    families : sequence of (str, callable, sequence of Case)
        What the findings are called, what reads a case, and the cases in order.
    limit_s : float
        After so long a case counts as hung. It guards against a hang, and is far from what a case takes.
    start_s : float
        More for the first case of a process and of a family, which imports what it needs.
    limit_bytes : int, optional
        Address space that the cases may take beyond what is taken at the first; None where libraries reserve more
        than they use.
    """
    tasks = [(family, read, case) for family, read, cases in families for case in cases]
    findings: list[Finding] = []
    while len(findings) < len(tasks):
        with _child() as child, tempfile.TemporaryDirectory(prefix="hcc-scope-fuzz-") as folder:
            findings += child.run(tasks[len(findings) :], Path(folder), (limit_s, start_s), limit_bytes)
    return findings


class _Child:
    """A process that reads one case after another until it dies."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()
        self.sound = True
        """Whether no case has killed it or hung so far."""

    def run(
        self,
        tasks: Sequence[tuple[str, Read, Case]],
        folder: Path,
        limits_s: tuple[float, float],
        limit_bytes: int | None,
    ) -> list[Finding]:
        """Run cases until the process is lost or all are done; at least one."""
        findings: list[Finding] = []
        limit_s, start_s = limits_s
        self.sound = False  # also after an interrupt
        for number, (family, read, case) in enumerate(tasks):
            known = bool(findings) and findings[-1].family == family
            try:
                # the limit goes along once: it counts from what the process has at the first case
                self._line.send((read, case.payload, folder / str(number), limit_bytes, number == 0))
                if not self._line.poll(limit_s if known else limit_s + start_s):
                    findings.append(Finding(family, case.name, "hung", f"for {limit_s:g} s"))
                    return findings
                outcome, words = self._line.recv()
            except (EOFError, ConnectionError):  # the latter if it died before it had read all of the case
                findings.append(Finding(family, case.name, "crashed", _how_it_died(self._process)))
                return findings
            findings.append(Finding(family, case.name, outcome, words))
        self.sound = True
        return findings

    def close(self) -> None:
        """End the process."""
        self._line.close()
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


_kept: list[_Child | None] = []
"""Of the innermost `one_child`; None until a process is started in it, and after it was lost."""


@contextmanager
def one_child() -> Iterator[None]:
    """Run all families in one process as long as it lives: importing what they need takes longer than some cases.

    Each input has its own time, and each call of `run_families` its own limit of memory, as without.
    """
    _kept.append(None)
    try:
        yield
    finally:
        child = _kept.pop()
        if child is not None:
            child.close()


@contextmanager
def _child() -> Iterator[_Child]:
    """Start a process, or go on in that of `one_child`; it stays for the next if it is sound."""
    child = (_kept[-1] if _kept else None) or _Child()
    try:
        yield child
    finally:
        stays = bool(_kept) and child.sound
        if _kept:
            _kept[-1] = child if stays else None
        if not stays:
            child.close()


def _how_it_died(child: BaseProcess) -> str:
    child.join(START_S)
    code = child.exitcode
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _serve(line: Connection) -> None:
    """Answer each payload with an outcome and words."""
    while True:
        try:
            read, payload, place, limit_bytes, first = line.recv()
        except EOFError:
            return
        place.mkdir()
        if first:
            _limit_memory(limit_bytes)
        line.send(outcome_of(attempt(partial(read, payload, place))))


def outcome_of(result: str | Failure | None) -> tuple[Outcome, str]:
    """Return what became of a case that was read in a guard (`hcc_scope.workers.attempt`), and its message."""
    if not isinstance(result, Failure):
        return ("read", "") if result is None else ("wrong", result)
    error = result.error
    if isinstance(error, HccScopeError):
        return "refused", str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return "crashed", f"{type(error).__name__}: {str(error)[:200]}{where}"


def _limit_memory(more_bytes: int | None) -> None:
    """Limit the address space of this process to what it has and so much more; None for no limit."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = resource.RLIM_INFINITY if more_bytes is None else pages * resource.getpagesize() + more_bytes
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]  # stays: the next families may take more
    if hard != resource.RLIM_INFINITY:
        most = hard if most == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


# ---- the account


def account(findings: Sequence[Finding]) -> str:
    """Return a table: one line per family, then every bad case."""
    families = list(dict.fromkeys(finding.family for finding in findings))
    lines = [f"{'family':<24}{'tried':>7}{'refused':>9}{'read':>7}{'wrong':>7}{'crashed':>9}{'hung':>6}"]
    for family in families:
        counts = Counter(finding.outcome for finding in findings if finding.family == family)
        lines.append(
            f"{family:<24}{counts.total():>7}{counts['refused']:>9}{counts['read']:>7}{counts['wrong']:>7}"
            f"{counts['crashed']:>9}{counts['hung']:>6}"
        )
    return "\n".join([*lines, *map(str, (finding for finding in findings if finding.bad))])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("modules", nargs="*", help=f"Of {', '.join(MODULES)}; all, if none is named.")
    parser.add_argument("--n", type=int, default=100, help="Cases of each family.")
    parser.add_argument("--seed", type=int, default=2019)
    asked = parser.parse_args()
    findings: list[Finding] = []
    for name in asked.modules or MODULES:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            print(f"{name} is not there", file=sys.stderr)
            continue
        found: list[Finding] = importlib.import_module(f"benchmarks.{name}").run(asked.n, asked.seed)
        print(account(found), flush=True)
        findings += found
    bad = sum(finding.bad for finding in findings)
    print(f"{len(findings)} cases, {bad} of them not as they should be")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
