"""Start the command line as its own process, as a user does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["acquire_command", "journalled", "run_json"]

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
