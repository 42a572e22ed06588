"""Start the command line as its own process, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from hcc_scope.inference.user_cache import CACHE_DIR_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["acquire_command", "journalled", "run_json", "timed"]

COMMAND = [sys.executable, "-c", "from hcc_scope.cli import main; main()"]


def acquire_command(out: Path, *more: str) -> list[str]:
    return [
        *COMMAND,
        "acquire",
        "--rig",
        "demo",
        "--animal",
        "m1",
        "--section",
        "s1",
        "--out",
        str(out),
        "--json",
        *more,
    ]


def journalled(store: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a store's journal."""
    path = store / "frames.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def run_json(*arguments: str) -> dict[str, Any]:
    """Run a command with ``--json`` and return what it printed."""
    done = subprocess.run([*COMMAND, *arguments, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def timed(what: str, arguments: list[str], cache: Path, limit_s: float) -> tuple[float, str]:
    """Run a command from start to end, and print its time beside its limit.

    Python may keep bytecode, as that of an installed program, whatever the environment states here.

    Parameters
    ----------
    what : str
        Is timed; the start of the line that is printed.
    arguments : list of str
    cache : Path
        Folder of the user's cache.
    limit_s : float

    Returns
    -------
    seconds : float
    output : str
    """
    environment = {**os.environ, CACHE_DIR_VARIABLE: str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began_s, began_cpu_s = time.perf_counter(), sum(os.times()[2:4])
    done = subprocess.run([*COMMAND, *arguments], env=environment, check=True, capture_output=True, text=True)
    seconds, cpu_s = time.perf_counter() - began_s, sum(os.times()[2:4]) - began_cpu_s
    words = "within" if seconds < limit_s else "BEYOND"
    print(f"{what}: {seconds:.2f} s, {words} the limit of {limit_s:g} s ({cpu_s:.2f} s of processor time)")
    return seconds, done.stdout
