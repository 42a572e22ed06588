"""The log of a run in words: one line for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.focus.record import read_record
from hcc_scope.formatting import counted
from hcc_scope.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hcc_scope.run_events import JsonValue, RunEvent

__all__ = ["changed_properties", "event_lines", "event_text", "notable_lines"]


_BARE = frozenset({("action", "action"), ("message", "text"), ("skipped", "why"), ("hand", "what")})
"""Facts that need no name."""
_NOTABLE = ("action", "message", "skipped", "damaged", "left_out", "part")
_MOST_NOTABLE = 50


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{_one_line(key)} {_text(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)
    return "none" if value is None else _one_line(str(value))


def _one_line(text: str) -> str:
    """Return a device's own text without what breaks a line or commands a terminal."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def event_text(event: RunEvent) -> str:
    """Return what an event says, without its time.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from hcc_scope.run_events import RunEvent
    >>> facts = {"device": "XY", "asked_um": {"x": 10.0, "y": 2.5}, "tries": 1}
    >>> event_text(RunEvent(datetime.now(UTC), "move", facts))
    'move: device XY; asked_um x 10, y 2.5; tries 1'
    """
    if event.kind == "device_state":
        return _state_text(event.facts)
    if (record := read_record(event)) is not None:
        return f"focus {record.where}: {record.explanation}"
    named = [
        _text(value) if (event.kind, key) in _BARE else f"{_one_line(key)} {_text(value)}"
        for key, value in event.facts.items()
        if value != ""
    ]
    return f"{_one_line(event.kind)}: {'; '.join(named)}"


def notable_lines(events: Iterable[RunEvent]) -> tuple[str, ...]:
    """Return the latest lines that a person looks for in a stored section: actions, messages, what is missing."""
    notable = [event for event in events if _is_notable(event)][-_MOST_NOTABLE:]
    return tuple(f"{event.t_utc.astimezone():%H:%M:%S} {event_text(event)}" for event in notable)


def _is_notable(event: RunEvent) -> bool:
    """Return whether a person looks for an event; of a section by hand, for what the operator did."""
    return event.kind in _NOTABLE or (event.kind == "hand" and event.facts.get("what") != "state")


def _state_text(facts: Mapping[str, JsonValue]) -> str:
    properties = facts.get("properties")
    unread = facts.get("unread")
    devices = [one for one in properties.values() if isinstance(one, dict)] if isinstance(properties, dict) else []
    n = sum(len(one) for one in devices)
    words = f"devices {facts.get('when', '')} the run: {counted(n, 'property', 'properties')} of {len(devices)} devices"
    if isinstance(unread, str):
        return f"{words}; not read: {_one_line(unread)}"
    return f"{words}; {len(unread)} could not be read" if isinstance(unread, dict) and unread else words


def changed_properties(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> list[str]:
    """Return how two states of the devices differ, as ``device.property: value -> value``."""
    old, new = _flat(before), _flat(after)
    return [
        f"{_one_line(place)}: {_text(old[place])} -> {_text(new[place])}"
        for place in old
        if place in new and old[place] != new[place]
    ]


def _flat(state: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    groups: dict[str, JsonValue] = {"Core": state.get("core")}
    if isinstance(properties := state.get("properties"), dict):
        groups |= {device: values for device, values in properties.items() if device != "Core"}
    return {
        f"{device}.{name}": value
        for device, values in groups.items()
        if isinstance(values, dict)
        for name, value in values.items()
    }


def event_lines(events: Iterable[RunEvent]) -> Iterator[str]:
    """Yield a line for each event, and one for each property that differs after the run, or that part of it."""
    before: Mapping[str, JsonValue] | None = None
    for event in events:
        yield f"{event.t_utc:%Y-%m-%d %H:%M:%S}.{event.t_utc.microsecond // 1000:03d}  {event_text(event)}"
        if event.kind == "part":
            before = None  # the devices of another day
        if event.kind != "device_state":
            continue
        if before is None:
            before = event.facts
        else:
            yield from (f"  changed: {words}" for words in changed_properties(before, event.facts))
