"""Ids become file names, so an id must be one on every system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.errors import IdError
from hcc_scope.storage.naming import check_id, store_name, store_path


@pytest.mark.parametrize("value", ["1", "M17", "LM3-04", "a.b", "Maus 3", "Käse", "肝-1", "COM10", "NULL", "x" * 100])
def test_usable_ids_are_kept_as_they_are(value: str):
    assert check_id(value, "animal id") == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a/b", "/"),
        ("a\\b", "cannot hold"),
        ("C:", ":"),
        ('a"b', '"'),
        ("a?", "?"),
        ("a*", "*"),
        ("a|b", "|"),
        ("<a>", "< >"),
        ("M7[a]", "[ ]"),
        ("..", "dot"),
        ("a..b", "'..'"),
        (".hidden", "dot"),
        ("end.", "dot"),
        ("end ", "space"),
        (" start", "space"),
        ("a\nb", "control"),
        ("a\x00b", "control"),
        ("a\x7fb", "control"),
        ("a\u202eb", "control"),
        ("a\ud800b", "control"),
        ("con", "device"),
        ("NUL.txt", "device"),
        ("Com1", "device"),
        ("lpt9", "device"),
        ("x" * 101, "longer"),
        ("肝" * 34, "longer"),
    ],
)
def test_unusable_ids_are_refused_with_the_reason(value: str, reason: str):
    with pytest.raises(IdError, match=r"^The section id '") as caught:
        check_id(value, "section id")
    assert reason in caught.value.message
    assert caught.value.hint is not None


@settings(deadline=None)
@given(st.text(max_size=120), st.text(max_size=120))
def test_an_accepted_pair_is_one_path_component_that_can_be_made(animal: str, section: str):
    try:
        name = store_name(animal, section)
    except IdError:
        return
    assert Path(name).name == name
    assert len(name.encode()) <= 255 - len(".12345678") - 1  # room for the hidden name while it is made
    assert name.isprintable() or all(c.isprintable() or c.isspace() or ord(c) > 127 for c in name)


def test_path():
    assert store_path(Path("out"), "M1", "S2") == Path("out") / "M1_S2.ome.zarr"
    with pytest.raises(IdError, match=r"^The animal id '' is empty"):
        store_path(Path("out"), "", "S2")


def test_checking_an_id_loads_nothing_heavy():
    code = "import sys, hcc_scope.storage.naming; print({'numpy', 'tensorstore', 'pyarrow', 'zarr'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
