"""What the documents say is so: the table of exit codes, the commands of the README, the links."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hcc_scope import errors

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    said = {name: int(code) for code, name in rows}
    real = {
        name: kind.exit_code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.HccScopeError) and kind is not errors.RigError
    }
    assert said == real


def test_every_exit_code_is_distinct() -> None:
    codes = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def _commands() -> list[str]:
    """`hcc-scope ...` lines of the README's ``sh`` blocks, in order; lines of other programs are left out."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.startswith("hcc-scope ")]


@pytest.mark.timeout(600)
def test_the_readmes_commands_run(tmp_path: Path) -> None:
    commands = _commands()
    assert len(commands) >= 6
    for command in commands:
        arguments = shlex.split(command)[1:]
        if arguments[0] == "evaluate":  # its figures have tests of their own
            arguments.append("--no-figures")
        line = " ".join(shlex.quote(a) if "*" not in a else a for a in arguments)
        run = f"{shlex.quote(sys.executable)} -c 'from hcc_scope.cli import main; main()' {line}"
        done = subprocess.run(run, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=170, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
