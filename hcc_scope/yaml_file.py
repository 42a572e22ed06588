"""Read a small YAML file that a person writes: a plan, a rig file, a model's card.

Every mistake in such a file is one sentence, ``path:line: what is wrong``, whichever kind of file it is in.

Plain YAML 1.1 takes ``0_325`` for 213, ``12:30`` for 750, ``010`` for 8 and the second of two equal keys for the only
one. Here a number is what a person reads as one, a key occurs once, and nothing in a file grows when it is read: no
aliases, no tags, and no more than a few levels. A value of the wrong kind is refused instead of converted: neither
``yes`` nor a text in quotation marks is a number.
"""

from __future__ import annotations

import codecs
import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_args

import pydantic
import yaml

from hcc_scope.number_text import is_number
from hcc_scope.small_files import read_named_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import NoReturn

    from hcc_scope.errors import HccScopeError

__all__ = ["FileKind", "KeyPath", "YamlFile", "YamlValue", "first_mistake", "read_yaml"]

YamlValue: TypeAlias = str | int | float | bool | list["YamlValue"] | dict[str, "YamlValue"] | None
KeyPath: TypeAlias = tuple[int | str, ...]
"""Keys and indices that lead from the top of a file to a value."""
M = TypeVar("M", bound=pydantic.BaseModel)

_MOST_LEVELS = 16
_MOST_DIGITS = 30
"""Of a number: more than any figure here can have."""
_MOST_SHOWN = 40
"""Characters of a wrong value that a message shows."""
_STR, _INT, _FLOAT, _BOOL, _NULL = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null"))
_NO_TEXT = re.compile("[\N{REPLACEMENT CHARACTER}\ud800-\udfff]")
"""The replacement for bytes that are not UTF-8, and halves of a surrogate pair."""
_LIKE_NUMBER = re.compile(r"([+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+))\s*([^\W\d_]+|%)?")
"""A number as people write one: in quotation marks, with a decimal comma, or a unit behind it."""
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
"""May be a number with a decimal comma, or a thousand times as much."""
_UNITS = ("um", "ms", "s", "mb", "px")
_MICRO = str.maketrans("\u00b5\u03bc", "uu")
_NUMBER_TYPES = frozenset(
    {"float_type", "float_parsing", "finite_number", "int_type", "int_from_float", "int_parsing", "int_parsing_size"}
)


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file that people write."""

    name: str
    """As messages call it: ``rig file``."""
    error: type[HccScopeError]
    """What a mistake in such a file raises."""
    most_bytes: int
    needs: str
    """What such a file holds at least, as a hint."""


@dataclass(frozen=True, slots=True)
class YamlFile:
    """What a file holds, and where."""

    path: Path
    kind: FileKind
    value: dict[str, YamlValue]
    _root: yaml.MappingNode

    def line_of(self, keys: KeyPath) -> int:
        """Return the line (from 1) of a value, or of the last part of its path that is there."""
        line = self._root.start_mark.line + 1
        node: yaml.Node = self._root
        for part in keys:
            found = _child(node, part)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line

    def key_lines(self) -> dict[str, int]:
        """Return the line of each key, by its dotted path: ``roles.em_gain``."""
        return {".".join(keys): line for keys, line in _lines(self._root, ())}

    def refuse(self, keys: KeyPath, what: str, *, hint: str | None = None) -> NoReturn:
        """Raise the kind's error, with the line of what is wrong."""
        raise self.kind.error(f"{self.path}:{self.line_of(keys)}: {what}", hint=hint)

    def validated(self, model: type[M]) -> M:
        """Return the file's content as a model, strictly.

        Raises
        ------
        HccScopeError
            Of the file's kind: the first value that the model refuses, with its line.
        """
        try:
            return _strictly(model, self.value)
        except pydantic.ValidationError as error:
            mistake = error
        texts = self._texts_like_numbers(mistake)
        if texts:
            try:
                return _strictly(model, self._with_texts(texts))
            except pydantic.ValidationError as error:
                mistake = error
        what, keys = first_mistake(mistake, self._as_written)
        hint = _meant_key(model, keys) if what.startswith("unknown key") else None
        if what.endswith(" number"):
            hint = self._number_at(keys, whole=what.endswith(" whole number"))
        self.refuse(keys, what, hint=hint)

    def _texts_like_numbers(self, error: pydantic.ValidationError) -> dict[KeyPath, str]:
        """Return plain words that YAML 1.1 takes for texts (``089``, ``12e4``), where texts belong.

        Programs that write YAML leave them without quotation marks: an animal's id in a card, for example.
        """
        found = {}
        for one in error.errors(include_url=False):
            keys = _key_path(one["loc"])
            node = self._node(keys)
            if one["type"] == "string_type" and isinstance(node, yaml.ScalarNode) and _is_text_in_yaml_1_1(node):
                found[keys] = str(node.value)
        return found

    def _with_texts(self, texts: dict[KeyPath, str]) -> YamlValue:
        def built(value: YamlValue, keys: KeyPath) -> YamlValue:
            if isinstance(value, dict):
                return {key: built(one, (*keys, key)) for key, one in value.items()}
            if isinstance(value, list):
                return [built(one, (*keys, i)) for i, one in enumerate(value)]
            return texts.get(keys, value)

        return built(self.value, ())

    def _node(self, keys: KeyPath) -> yaml.Node | None:
        node: yaml.Node = self._root
        for part in keys:
            found = _child(node, part)
            if found is None:
                return None
            node = found[1]
        return node

    def _number_at(self, keys: KeyPath, *, whole: bool) -> str | None:
        """Return as a hint how to write a number that is a text in the file; None if it is not clear which."""
        node = self._node(keys)
        if not isinstance(node, yaml.ScalarNode):
            return None
        found = _LIKE_NUMBER.fullmatch(node.value.strip())
        if found is None or (whole and not found[1].isdigit()) or _THOUSANDS.fullmatch(found[1]):
            return None
        number = found[1].replace(",", ".")
        faults = {"without quotation marks": node.style in ("'", '"'), "with a decimal point": "," in found[1]}
        if found[2] is not None:
            unit = _unit(keys)
            if unit is None:
                return None
            if found[2].translate(_MICRO).casefold() != unit.casefold():
                return f"Give it in {unit}, as a number alone."
            faults["without a unit"] = True
        words = " and ".join(words for words, is_so in faults.items() if is_so)
        return f"Write {number}, {words}." if words else None

    def _as_written(self, keys: KeyPath) -> str | None:
        node = self._node(keys)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def read_yaml(path: Path, kind: FileKind) -> YamlFile:
    """Read a file that holds keys and values.

    Raises
    ------
    HccScopeError
        Of the kind's class: if the file cannot be read, is not UTF-8 or YAML, or holds what the module's docstring
        excludes; with its line.
    """
    content = read_named_file(path, kind.name, kind.most_bytes, kind.error)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise kind.error(f"{path}:1: the file is UTF-16", hint="Save it as UTF-8.")
    # what is in no value, in a comment for example, may be of another encoding
    text = content.decode("utf-8-sig", errors="replace")
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
        if not isinstance(root, yaml.MappingNode):
            what = "is empty" if root is None else "must be a mapping of keys to values"
            line = 1 if root is None else root.start_mark.line + 1
            raise kind.error(f"{path}:{line}: the {kind.name} {what}", hint=kind.needs)
        return YamlFile(path, kind, _mapping(root, ()), root)
    except _RefusedError as error:
        raise kind.error(f"{path}:{error.line}: {error.what}", hint=error.hint) from error
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF", which is no character
        what = f"the {kind.name} is not YAML: an escape is no character"
        raise kind.error(f"{path}:{loader.line + 1}: {what}", hint="Write the character itself.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"the {kind.name} is not YAML: it holds the character U+{ord(text[error.position]):04X}"
        raise kind.error(f"{path}:{line}: {what}", hint="Remove it.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        if mark is None or mark.index >= len(text):  # a bracket that is not closed: where it was opened
            mark = error.context_mark or mark
        line = 1 if mark is None else mark.line + 1
        problem = error.problem or error.context or "it cannot be read"
        hint = "Indent with blanks, not with tabs." if r"'\t'" in problem else None
        if "escape character" in problem or "hexadecimal" in problem:
            hint = "Put a text with backslashes, such as a path of Windows, in single quotation marks, or in none."
        raise kind.error(f"{path}:{line}: the {kind.name} is not YAML: {problem}", hint=hint) from error


def first_mistake(
    error: pydantic.ValidationError, as_written: Callable[[KeyPath], str | None] = lambda _: None
) -> tuple[str, KeyPath]:
    """Return the mistake in a value, as half a sentence that names its key, and the path to it.

    Parameters
    ----------
    error : ValidationError
    as_written : callable, optional
        Returns a value as written in the file, if it is in one.
    """
    errors = error.errors(include_url=False)
    # a mistyped key is also a missing one: naming what was typed helps more
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    if first["type"] == "too_long":  # of the shorter of two forms: the mistake of the longer one is more precise
        first = errors[-1]
    keys, kind = _key_path(first["loc"]), first["type"]
    where = ".".join(str(part) for part in keys)
    written = as_written(keys)
    value = (str(first["input"]) if written is None else written)[:_MOST_SHOWN]
    if kind == "extra_forbidden":
        return f"unknown key '{where}'", keys
    if kind == "missing":
        is_entry = bool(keys) and isinstance(keys[-1], int)
        return (f"{where}: a value is missing" if is_entry else f"the key '{where}' is missing"), keys
    if written == "" and first["input"] is None:
        return f"{where}: a value is missing", keys
    if kind in ("bool_type", "bool_parsing"):
        return f"{where}: '{value}' is neither true nor false", keys
    if isinstance(first["input"], list | dict) and (kind in _NUMBER_TYPES or kind == "string_type"):
        wanted = "text" if kind == "string_type" else f"{'whole ' * kind.startswith('int')}number"
        return f"{where} must be a {wanted}, not a {'list' if isinstance(first['input'], list) else 'mapping'}", keys
    if kind in _NUMBER_TYPES:
        return f"{where}: '{value}' is no {'whole ' * kind.startswith('int')}number", keys
    if kind == "string_type":
        return f"{where}: '{value}' is no text; write it in quotation marks", keys
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{where} must be a mapping of keys to values", keys
    if kind in ("too_long", "too_short"):
        sizes = first["ctx"]
        bound = f"most {sizes['max_length']}" if kind == "too_long" else f"least {sizes['min_length']}"
        return f"{where} must hold at {bound} values, not {sizes['actual_length']}", keys
    if kind == "string_too_short":
        return f"{where} must not be empty", keys
    if kind in ("tuple_type", "list_type"):
        return f"{where} must be a list", keys
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
    colon = "" if message.startswith("must be ") else ":"
    return (f"{where}{colon} {message}" if where else message), keys


def _unit(keys: KeyPath) -> str | None:
    """Return the unit of a number by the name of its key, or of the one around it; None if the name states none."""
    for key in reversed(keys):
        ending = str(key).removesuffix("_per_px").rpartition("_")[2] if isinstance(key, str) else ""
        if ending in _UNITS:
            return ending
    return None


def _meant_key(model: type[pydantic.BaseModel], keys: KeyPath) -> str | None:
    """Return as a hint which key of a model an unknown one is a slip of; None if no name is near."""
    here: type[pydantic.BaseModel] | None = model
    for part in keys[:-1]:
        field = None if here is None else here.model_fields.get(str(part))
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        here = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)), None)
    near = difflib.get_close_matches(str(keys[-1]), () if here is None else here.model_fields, n=1)
    return f"Did you mean '{near[0]}'?" if near else None


def _strictly(model: type[M], value: YamlValue) -> M:
    # as JSON, which knows only lists where the model has tuples: strict validation of Python objects refuses them
    return model.model_validate_json(json.dumps(value), strict=True)


def _key_path(loc: KeyPath) -> KeyPath:
    """Return pydantic's location without the member of a union, which is in no file."""
    return tuple(part for part in loc if not (isinstance(part, str) and part.startswith("tuple[")))


def _child(node: yaml.Node, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the node to name the line of, and the value's node."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _lines(node: yaml.MappingNode, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    for key, value in node.value:
        way = (*keys, str(key.value))
        yield way, key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from _lines(value, way)


class _RefusedError(Exception):
    """What is YAML, and has no place in such a file."""

    def __init__(self, what: str, mark: Any, *, hint: str | None = None) -> None:  # noqa: ANN401 - PyYAML has two types
        super().__init__(what)
        self.what, self.line, self.hint = what, mark.line + 1, hint


class _Loader(yaml.SafeLoader):
    """Composes the nodes of one document without aliases and tags, and refuses what is nested too deep."""

    _depth = 0

    def get_single_node(self) -> yaml.Node | None:
        node = self.get_node() if self.check_node() else None
        if self.check_node():
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _RefusedError("a second YAML document", mark, hint="Remove it, and the '---' before it.")
        return node

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            what = f"aliases (*{event.anchor}) are not used here"
            raise _RefusedError(what, event.start_mark, hint="Write the value itself.")
        if event.tag is not None:
            hint = "Remove it; put a text that looks like a number in quotation marks."
            raise _RefusedError(f"the tag '{event.tag}' is not used here", event.start_mark, hint=hint)
        if self._depth == _MOST_LEVELS:
            raise _RefusedError(f"nested more than {_MOST_LEVELS} levels deep", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag in (_BOOL, _NULL)]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, re.compile(r"[+-]?[0-9]+$"), list("+-0123456789"))
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"), list("+-.0123456789")
)


def _is_text_in_yaml_1_1(node: yaml.ScalarNode) -> bool:
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
    return node.style is None and tag == _STR


def _mapping(node: yaml.MappingNode, keys: KeyPath) -> dict[str, YamlValue]:
    found: dict[str, YamlValue] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _RefusedError("a key must be a word", key_node.start_mark)
        key = str(key_node.value)
        if _NO_TEXT.search(key):
            raise _not_utf8(key_node, keys)
        if key in found:
            hint = "Remove one of them."
            raise _RefusedError(f"the key '{key}' is there twice", key_node.start_mark, hint=hint)
        found[key] = _value(value_node, (*keys, key))
    return found


def _value(node: yaml.Node, keys: KeyPath) -> YamlValue:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, keys)
    if isinstance(node, yaml.SequenceNode):
        return [_value(one, (*keys, i)) for i, one in enumerate(node.value)]
    text = str(node.value)
    if _NO_TEXT.search(text):
        raise _not_utf8(node, keys)
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return text.lower() in ("true", "yes", "on")
    if node.tag in (_INT, _FLOAT) and len(text) <= _MOST_DIGITS and is_number(text):
        return int(text) if node.tag == _INT else float(text)
    return text


def _not_utf8(node: yaml.Node, keys: KeyPath) -> _RefusedError:
    where = ".".join(str(part) for part in keys)
    what = f"{where}: a character is not UTF-8" if where else "a character is not UTF-8"
    return _RefusedError(what, node.start_mark, hint="Save the file as UTF-8.")
