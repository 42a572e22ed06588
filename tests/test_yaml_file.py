"""Plans, rig files and model cards: the same mistake gives the same sentence, with the line, in every kind of file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from hcc_scope.errors import ConfigError, HccScopeError, ModelFormatError, PlanError
from hcc_scope.inference.card import read_card, write_card
from hcc_scope.plans import load_plan
from hcc_scope.resources import models_dir
from hcc_scope.rig.rigfile import load_rig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CARD = (models_dir() / "phantom-meng2019" / "card.yaml").read_text(encoding="utf-8")


class Kind:
    """One kind of file: a good text, a number and a whole number in it, and a key that it cannot do without."""

    def __init__(
        self,
        file: str,
        good: str,
        number: str,
        whole: str,
        needed: str,
        error: type[HccScopeError],
        read: Callable[[Path], object],
    ) -> None:
        self.file, self.good, self.number, self.whole, self.needed = file, good, number, whole, needed
        self.error, self.read = error, read

    def line_of(self, key: str) -> int:
        return next(n for n, line in enumerate(self.good.splitlines(), 1) if line.startswith(f"{key}:"))

    def with_value(self, key: str, value: str) -> str:
        lines = self.good.splitlines(keepends=True)
        lines[self.line_of(key) - 1] = f"{key}: {value}\n"
        return "".join(lines)


KINDS = {
    "plan": Kind(
        "plan.yaml",
        "# by hand\nkind: random\nexposure_ms: 10.0\nn_fields: 3\nrectangle_um: [0, 0, 9000, 9000]\n",
        "exposure_ms",
        "n_fields",
        "n_fields",
        PlanError,
        load_plan,
    ),
    "rig file": Kind(
        "x.rig.yaml",
        "# by hand\nconfig: a.cfg\npixel_size_um: 0.325\nbuffer_size_mb: 512\nroles: {em_gain: Gain}\n",
        "pixel_size_um",
        "buffer_size_mb",
        "config",
        ConfigError,
        load_rig,
    ),
    "model card": Kind(
        "card.yaml", CARD, "pixel_size_um", "tile_px", "sha256", ModelFormatError, lambda path: read_card(path.parent)
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def refusal(kind: Kind, folder: Path, content: str | bytes) -> str:
    """Return the message about a file, without its path in front."""
    path = folder / kind.file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(kind.error) as caught:
        kind.read(path)
    assert type(caught.value) is kind.error
    text = str(caught.value)
    assert text.startswith(f"{path}:")
    assert "\n" not in text
    return text.removeprefix(f"{path}:")


def test_the_good_ones_are_read(kind: Kind, tmp_path: Path):
    (tmp_path / kind.file).write_text(kind.good, encoding="utf-8")
    kind.read(tmp_path / kind.file)
    (tmp_path / kind.file).write_bytes(b"\xef\xbb\xbf# 5 \xb5m\n" + kind.good.encode())
    kind.read(tmp_path / kind.file)


@pytest.mark.parametrize(
    "value", ["many", "'0.5'", '"12"', "0_325", "1:30", "0x10", ".nan", ".inf", "1e999", "yes", "off", "2020-01-02"]
)
@pytest.mark.parametrize("whole", [False, True], ids=["number", "whole number"])
def test_values_that_are_no_number(kind: Kind, tmp_path: Path, value: str, whole: bool):
    key = kind.whole if whole else kind.number
    shown = value.strip("'\"")
    expected = f"{kind.line_of(key)}: {key}: '{shown}' is no {'whole ' * whole}number"
    if value != shown and not (whole and "." in shown):
        expected += f". Write {shown}, without quotation marks."
    assert refusal(kind, tmp_path, kind.with_value(key, value)) == expected


def test_values_that_are_no_whole_number(kind: Kind, tmp_path: Path):
    expected = f"{kind.line_of(kind.whole)}: {kind.whole}: '2.5' is no whole number"
    assert refusal(kind, tmp_path, kind.with_value(kind.whole, "2.5")) == expected


@pytest.mark.parametrize(("value", "kind_of_value"), [("[1, 2]", "list"), ("{a: 1}", "mapping")])
def test_a_collection_in_the_place_of_a_number(kind: Kind, tmp_path: Path, value: str, kind_of_value: str):
    expected = f"{kind.line_of(kind.number)}: {kind.number} must be a number, not a {kind_of_value}"
    assert refusal(kind, tmp_path, kind.with_value(kind.number, value)) == expected


def test_a_value_out_of_range(kind: Kind, tmp_path: Path):
    expected = f"{kind.line_of(kind.number)}: {kind.number} must be greater than 0"
    assert refusal(kind, tmp_path, kind.with_value(kind.number, "-1")) == expected


def test_an_octal_number_is_the_decimal_one(kind: Kind, tmp_path: Path):
    path = tmp_path / kind.file
    path.write_text(kind.with_value(kind.whole, "0512"), encoding="utf-8")
    read = kind.read(path)
    value = getattr(read, kind.whole)
    assert value == 512


def test_a_missing_key(kind: Kind, tmp_path: Path):
    lines = kind.good.splitlines(keepends=True)
    del lines[kind.line_of(kind.needed) - 1]
    first = next(n for n, line in enumerate(lines, 1) if not line.startswith("#"))
    assert refusal(kind, tmp_path, "".join(lines)) == f"{first}: the key '{kind.needed}' is missing"


def test_an_unknown_key(kind: Kind, tmp_path: Path):
    last = kind.good.count("\n") + 1
    assert refusal(kind, tmp_path, kind.good + "colour: red\n") == f"{last}: unknown key 'colour'"


@pytest.mark.parametrize(
    ("more", "line", "message"),
    [
        ("{number}: 1\n", 1, "the key '{number}' is there twice. Remove one of them."),
        ("a:\n\tb: 1\n", 2, "the {kind} is not YAML: found character '\\t' that cannot start any token. Indent with"),
        ("a: &a [1]\nb: *a\n", 2, "aliases (*a) are not used here. Write the value itself."),
        ("a: !!python/object:os.system x\n", 1, "the tag 'tag:yaml.org,2002:python/object:os.system' is not used here"),
        ("a: !!float 5\n", 1, "the tag 'tag:yaml.org,2002:float' is not used here"),
        ("a: " + "[" * 20_000 + "\n", 1, "nested more than 16 levels deep"),
        ("---\na: 1\n", 1, "a second YAML document. Remove it"),
        ("? [a, b]\n: 1\n", 1, "a key must be a word"),
        ("a: [\nb: 1\n", 1, "the {kind} is not YAML: "),
        ("a: '\x00'\n", 1, "the {kind} is not YAML: it holds the character U+0000. Remove it."),
        ('a: "\\ud800"\n', 1, "a: a character is not UTF-8. Save the file as UTF-8."),
        ('a: "\\UFFFFFFFF"\n', 1, "the {kind} is not YAML: an escape is no character. Write the character itself."),
        (b"a: caf\xe9\n", 1, "a: a character is not UTF-8. Save the file as UTF-8."),
        (b"caf\xe9: 1\n", 1, "a character is not UTF-8. Save the file as UTF-8."),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value)[:20],
)
def test_surprising_yaml_is_refused(kind: Kind, tmp_path: Path, more: str | bytes, line: int, message: str):
    name = next(name for name, one in KINDS.items() if one is kind)
    content = kind.good.encode() + (more if isinstance(more, bytes) else more.format(number=kind.number).encode())
    expected = f"{kind.good.count(chr(10)) + line}: {message.format(number=kind.number, kind=name)}"
    assert refusal(kind, tmp_path, content).startswith(expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "1: the {kind} is empty"),
        (b"# nothing\n", "1: the {kind} is empty"),
        (b"\n- a\n", "2: the {kind} must be a mapping of keys to values"),
        (b"just words\n", "1: the {kind} must be a mapping of keys to values"),
        ("kind: random\n".encode("utf-16"), "1: the file is UTF-16. Save it as UTF-8."),
    ],
)
def test_files_without_keys(kind: Kind, tmp_path: Path, content: bytes, message: str):
    name = next(name for name, one in KINDS.items() if one is kind)
    assert refusal(kind, tmp_path, content).startswith(message.format(kind=name))


def test_text_that_looks_like_a_number_stays_the_text_of_a_card(tmp_path: Path):
    """PyYAML writes these animals' ids without quotation marks, since YAML 1.1 takes them for texts."""
    card = read_card(models_dir() / "phantom-meng2019")
    assert card.training is not None
    animals = ("089", "12e4", "1.5e3", "010", "7", "1_000", "yes", "12:30", "0x1F", "2020-01-02", "null", ".nan")
    software = {"torch": "2.6", "1e3": "+.5"}
    training = card.training.model_copy(update={"animals": animals, "software": software})
    path = write_card(card.model_copy(update={"training": training}), tmp_path)
    assert "- 089\n" in path.read_text(encoding="utf-8")
    assert read_card(tmp_path).training == training


def test_a_json_plan_may_be_indented(tmp_path: Path):
    path = tmp_path / "plan.json"
    path.write_text('{\n  "kind": "positions",\n  "positions_um": [[0, 1e-05], [700.5, -20]]\n}\n')
    plan = load_plan(path)
    assert plan.model_dump()["positions_um"] == ((0.0, 1e-05), (700.5, -20.0))


def test_a_card_is_written_as_yaml_1_1_reads_it(tmp_path: Path):
    """Other programs read our cards by PyYAML."""
    card = read_card(models_dir() / "phantom-meng2019")
    path = write_card(card, tmp_path)
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["pixel_size_um"] == card.pixel_size_um
