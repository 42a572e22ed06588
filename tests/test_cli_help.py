"""The ``--help`` text of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from hcc_scope.cli.acquisition_commands import app

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - typer's own click
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield path, command


ALL = dict(commands(typer.main.get_command(app)))


def test_these_are_all():
    assert ("models", "export") in ALL
    assert ("evaluate",) in ALL


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_nothing_of_an_options_help_is_lost(path: tuple[str, ...]):
    """In brackets a word is markup to rich, and vanishes."""
    for option in ALL[path].params:
        text = getattr(option, "help", None) or ""
        assert Text.from_markup(text).plain == text, option.name
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0
