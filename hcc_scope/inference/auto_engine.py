"""``--engine auto``: measure the engines on this machine once, remember the choice, and report it with its reason.

An engine counts only if it can be made here and agrees with the reference (`hcc_scope.inference.agreement`). Making,
checking and measuring take `BUDGET_S` at most, except that what is under way is finished. The reference is not given
up for a gain of less than a tenth.

What is remembered depends on everything that the answer depends on: machine, cores, versions, model, tolerance. A
remembered engine is checked again at every start, only not measured. A choice that an engine missed because it could
not be made is not remembered: the reason may be gone tomorrow.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hcc_scope.errors import HccScopeError, ModelError, ModelSelfTestError
from hcc_scope.inference.base import REFERENCE
from hcc_scope.inference.user_cache import CACHE_DIR_VARIABLE, cache_dir, entries, remember

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hcc_scope.inference.agreement import Agreement
    from hcc_scope.inference.base import Engine, EngineName

__all__ = ["CACHE_DIR_VARIABLE", "Choice", "cache_file", "choice_key", "choose", "measure"]

BUDGET_S = 2.0
WORTH_IT = 1.1
TIMED_TILES = 8
"""As many as an engine may have threads that take whole tiles."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, ready to run, and how it was chosen."""

    engine: Engine
    tiles_per_s: Mapping[str, float]
    """What was measured (now, or when the choice was made), best of the rounds; empty if there was nothing to
    choose."""
    remembered: bool
    notes: tuple[str, ...]
    """One sentence for each engine that was refused or not tried."""

    @property
    def sentence(self) -> str:
        """What was chosen and why, for the user."""
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in self.tiles_per_s.items())
        if not rates:
            return f"Engine {self.engine.name}: the only one that can be used here."
        when = "as measured here before" if self.remembered else "measured now"
        return f"Engine {self.engine.name}, {when} (tiles/s: {rates})."


def choose(
    makers: Mapping[EngineName, Callable[[], Engine]],
    agreement: Agreement,
    *,
    cache: Path,
    key: str,
    clock: Callable[[], float] = time.perf_counter,
) -> Choice:
    """Return the fastest engine that may be used.

    Parameters
    ----------
    makers : mapping
        How to make each engine, most promising first. Making one may raise a `HccScopeError`.
    agreement : Agreement
        What each has to pass.
    cache : Path
        The file in which choices are remembered; see `cache_file`.
    key : str
        What this choice is remembered under; see `choice_key`.

    Raises
    ------
    ModelError
        If no engine can be used.
    """
    remembered = _remembered(cache, key, makers)
    if remembered is not None:
        name, rates, earlier = remembered
        try:
            return Choice(_checked(makers[name], agreement), rates, True, earlier)
        except HccScopeError:
            pass  # what was remembered is no longer true: choose again

    deadline = clock() + BUDGET_S
    usable: dict[EngineName, Engine] = {}
    notes: list[str] = []
    lasting = True
    for name, make in makers.items():
        if usable and name != REFERENCE and clock() > deadline:
            notes.append(f"Engine {name} was not tried: the time for choosing was over.")
            lasting = False
            continue
        try:
            usable[name] = _checked(make, agreement)
        except HccScopeError as error:
            notes.append(f"Engine {name} is not used: {error}")
            lasting = lasting and isinstance(error, ModelSelfTestError)
    if not usable:
        raise ModelError("no engine can run this model here: " + " ".join(notes))
    if len(usable) == 1:
        return Choice(next(iter(usable.values())), {}, False, tuple(notes))
    best_s = measure(usable, agreement, deadline, clock)
    fastest = min(best_s, key=lambda name: best_s[name])
    if REFERENCE in best_s and best_s[REFERENCE] < WORTH_IT * best_s[fastest]:
        fastest = REFERENCE
    rates = {name: round(TIMED_TILES / seconds, 1) for name, seconds in best_s.items()}
    if lasting:
        remember(cache, key, {"engine": fastest, "tiles_per_s": rates, "notes": notes})
    return Choice(usable[fastest], rates, False, tuple(notes))


def cache_file() -> Path:
    """Return the file in which this user's choices are remembered.

    In the folder that the environment variable ``HCC_SCOPE_CACHE_DIR`` names, or in the user's folder for caches.
    """
    return cache_dir() / "engines.json"


def choice_key(model_sha256: str, tolerance: float, threads: int, names: tuple[str, ...]) -> str:
    """Return what a choice depends on, as a hash: machine, cores, software, model, tolerance, engines."""
    parts = [platform.node(), platform.machine(), platform.processor(), str(os.cpu_count()), str(threads)]
    parts += [f"{package}={_version(package)}" for package in ("hcc-scope", "torch", "openvino", "llvmlite")]
    parts += [model_sha256, repr(tolerance), *names]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _checked(make: Callable[[], Engine], agreement: Agreement) -> Engine:
    engine = make()
    agreement.check(engine)
    return engine


def measure(
    engines: Mapping[EngineName, Engine], agreement: Agreement, deadline: float, clock: Callable[[], float]
) -> dict[EngineName, float]:
    """Return each engine's shortest time in s for the same tiles, in turns, so that other load meets all alike."""
    tiles = agreement.tiles[:TIMED_TILES]
    best_s = dict.fromkeys(engines, float("inf"))
    while True:
        round_began = clock()
        for name, engine in engines.items():
            before = clock()
            engine.classify(tiles)
            best_s[name] = min(best_s[name], clock() - before)
        now = clock()
        if now + (now - round_began) > deadline:
            return best_s


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _remembered(
    cache: Path, key: str, makers: Mapping[EngineName, Callable[[], Engine]]
) -> tuple[EngineName, dict[str, float], tuple[str, ...]] | None:
    """Return engine, tiles/s and notes of an earlier choice, if they are what they should be."""
    match entries(cache).get(key):
        case {"engine": str(found), "tiles_per_s": dict(rates), "notes": list(notes)}:
            name = next((name for name in makers if name == found), None)
            if name is not None and all(isinstance(rate, float) for rate in rates.values()):
                return name, rates, tuple(str(one) for one in notes)
    return None
