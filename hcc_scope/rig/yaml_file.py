"""Read a small YAML file that a person wrote, with the line of every key, and no surprise of YAML 1.1.

Plain YAML takes ``0_325`` for 213, ``12:30`` for 750 and the second of two equal keys for the only one. Here a number
is what a person takes for one, a key stands once, and a file holds nothing that grows when it is read: no aliases, and
no more than a few levels.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from hcc_scope.errors import ConfigError
from hcc_scope.number_text import is_number
from hcc_scope.rig.files import read_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["YamlFile", "YamlValue", "read_yaml"]

YamlValue = str | int | float | bool | None | list["YamlValue"] | dict[str, "YamlValue"]

_LARGEST_BYTES = 2**20
_DEEPEST = 16
_DIGITS = 30
"""Longest number: more digits than any figure here can have."""
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_TAGS = "tag:yaml.org,2002:"
_REPLACED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class YamlFile:
    """What a file holds."""

    path: Path
    value: dict[str, YamlValue]
    lines: dict[tuple[str, ...], int]
    """Line (from 1) of each key, by its way from the top."""

    def line_of(self, keys: tuple[int | str, ...]) -> int:
        """Return the line of a key, or of the last part of its way that is there."""
        way = tuple(str(key) for key in keys)
        return next((self.lines[way[:n]] for n in range(len(way), 0, -1) if way[:n] in self.lines), 1)


def read_yaml(path: Path, what: str) -> YamlFile:
    """Read a file that must be a mapping; `what` says in words which kind it is.

    Raises
    ------
    ConfigError
        If it cannot be read, is not UTF-8 or YAML, or holds what the module's docstring excludes; with its line.
    """
    content = read_file(path, what, _LARGEST_BYTES)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigError(f"{path}:1: the file is UTF-16", hint="Save it as UTF-8.")
    # what is in no value, in a comment for example, may be of another encoding
    text = content.decode("utf-8-sig", errors="replace")
    try:
        _check_events(path, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark is not None else f"{path}"
        raise ConfigError(f"{place}: the {what} is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"the {what} {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}: a {what} must be a mapping", hint="It needs at least the key 'config'.")
    lines: dict[tuple[str, ...], int] = {}
    return YamlFile(path, _mapping(path, node, (), lines), lines)


def _check_events(path: Path, text: str) -> None:
    """Refuse what must not be built at all; the events come one after another and take no memory."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = f"{path}:{event.start_mark.line + 1}" if event.start_mark is not None else f"{path}"
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{place}: aliases (*{event.anchor}) are not used here", hint="Write the value itself.")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise ConfigError(f"{place}: a second YAML document", hint="Remove it, and the '---' before it.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ConfigError(f"{place}: nested more than {_DEEPEST} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _mapping(
    path: Path, node: yaml.MappingNode, way: tuple[str, ...], lines: dict[tuple[str, ...], int]
) -> dict[str, YamlValue]:
    found: dict[str, YamlValue] = {}
    for key_node, value_node in node.value:
        number = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{path}:{number}: a key must be a word")
        key = str(key_node.value)
        if key in found:
            raise ConfigError(f"{path}:{number}: the key '{key}' is there twice", hint="Remove one of them.")
        lines[*way, key] = number
        found[key] = _value(path, value_node, (*way, key), lines)
    return found


def _value(path: Path, node: yaml.Node, way: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> YamlValue:
    if isinstance(node, yaml.MappingNode):
        return _mapping(path, node, way, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(path, one, way, lines) for one in node.value]
    text = str(node.value)
    if _REPLACED in text:
        raise ConfigError(
            f"{path}:{node.start_mark.line + 1}: {'.'.join(way)}: a character is not UTF-8",
            hint="Save the file as UTF-8.",
        )
    if not node.tag.startswith(_TAGS) or "/" in node.tag.removeprefix(_TAGS):
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: the tag '{node.tag}' is not used here")
    if isinstance(node, yaml.ScalarNode) and node.style is not None:  # in quotation marks, or a block
        return text
    return _plain(text)


def _plain(text: str) -> YamlValue:
    """Return a word without quotation marks as what a person takes it for."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _DIGITS or not is_number(text):
        return text
    return int(text) if text.lstrip("+-").isdigit() else float(text)
