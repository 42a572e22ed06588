"""Read plans from YAML or JSON (which is YAML too)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from hcc_scope.errors import PlanError
from hcc_scope.plans.models import Plan
from hcc_scope.small_files import read_small_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["load_plan", "parse_plan"]

_ADAPTER: TypeAdapter[Plan] = TypeAdapter(Annotated[Plan, Field(discriminator="kind")])
_MOST_BYTES = 64 * 2**20
_KINDS = "positions, grid, random, time_series or sequence"
_DEEPEST = 8
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_SHOWN = 40
"""Longest part of a wrong value that is shown."""


class _Refused(yaml.MarkedYAMLError):
    """What is YAML, and has no place in a plan."""


class _Loader(yaml.SafeLoader):
    """YAML without what surprises.

    No aliases (nothing grows when it is read), no key twice, few levels, and numbers as people read them: plain YAML
    takes 0_325 for 213 and 12:30 for 750.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            problem = f"aliases (*{event.anchor}) are not used here"
            raise _Refused(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]
        if self._depth == _DEEPEST:
            raise _Refused(problem=f"nested more than {_DEEPEST} levels deep", problem_mark=event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise _Refused(problem=f"the key '{key.value}' is there twice", problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in (_INT, _FLOAT)]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, re.compile(r"[+-]?[0-9]{1,30}$"), list("+-0123456789"))
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"), list("+-.0123456789")
)
_Loader.add_implicit_resolver(_FLOAT, re.compile(r"[+-]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"), list("+-."))
_Loader.add_constructor(_INT, lambda _loader, node: int(node.value))


def _words(error: ValidationError) -> tuple[str, tuple[int | str, ...]]:
    """Return the first complaint of pydantic as half a sentence, and the way to the value that it is about."""
    errors = error.errors(include_url=False)
    # a mistyped key is also a missing one: naming what was typed helps more
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    # The discriminator's own value leads the location, and a union's type may follow: neither is in the file.
    way = tuple(part for part in first["loc"][1:] if not str(part).startswith("tuple["))
    where, kind = ".".join(str(part) for part in way), first["type"]
    if kind == "extra_forbidden":
        return f"unknown key '{where}'", way
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"'kind' must be {_KINDS}", ("kind",)
    if kind == "missing":
        if way and isinstance(way[-1], int):
            return f"{where}: a number is missing", way
        return f"the key '{where}' is missing", way
    value = str(first["input"])[:_SHOWN]
    if kind in ("float_type", "float_parsing", "finite_number", "int_type", "int_from_float", "int_parsing"):
        return f"{where}: '{value}' is no {'whole ' * kind.startswith('int')}number", way
    if kind == "string_type":
        return f"{where}: '{value}' is no text; write it in quotation marks", way
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message, way


def _line_of(node: yaml.Node | None, way: tuple[int | str, ...]) -> int:
    """Return the line (from 1) of a value, or of the last part of its way that is there."""
    line = 1
    for part in way:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def parse_plan(content: Any, where: str = "the plan") -> Plan:  # noqa: ANN401 - whatever YAML or JSON held
    """Make a plan of plain values: a mapping with `kind` and that plan's fields.

    Raises
    ------
    PlanError
        With the first thing that is wrong, naming `where` and the key.

    Examples
    --------
    >>> parse_plan({"kind": "time_series", "n_frames": 3, "interval_s": 0.5}).expected_frames
    3
    """
    return _parse(content, lambda _way: where)


def _parse(content: Any, place: Callable[[tuple[int | str, ...]], str]) -> Plan:  # noqa: ANN401 - as above
    if not isinstance(content, dict):
        raise PlanError(f"{place(())} must be a mapping with the key 'kind': {_KINDS}")
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        message, way = _words(error)
        raise PlanError(f"{place(way)}: {message}") from error


def load_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises
    ------
    PlanError
        If the file is missing, is no file, is not YAML, or does not describe a plan; with the line where there is one.
    """
    try:
        text = read_small_file(path, _MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise PlanError(f"cannot read the plan {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"the plan {path} is not UTF-8", hint="Save it as UTF-8.") from error
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f":{mark.line + 1}"
        words = f"{error.problem or error.context}"
        refused = isinstance(error, _Refused)
        raise PlanError(f"the plan {path}{line}" + (f": {words}" if refused else f" is not YAML: {words}")) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a 45th of a month
        raise PlanError(f"the plan {path} is not YAML: {' '.join(str(error).split())}") from error
    finally:
        if loader is not None:
            loader.dispose()
    return _parse(content, lambda way: f"the plan {path}" + (f":{_line_of(node, way)}" if way else ""))
