"""Stacks of Micro-Manager (``..._MMStack_....ome.tif``): each page states by itself where it belongs.

Its own metadata are preferred to the OME-XML beside them, which repeats images where an acquisition was stopped early.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from hcc_scope.formatting import counted
from hcc_scope.imports.facts import Facts, finite
from hcc_scope.imports.micromanager_tags import channel_name_of, coords_of, names_of_channels, thin_facts
from hcc_scope.imports.ome_planes import Within
from hcc_scope.imports.salvaged_json import entries_of
from hcc_scope.imports.tiff_axes import Layout, Slot
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.datasets.tiff_pages import Chain
    from hcc_scope.types import TagValue

__all__ = ["PAGE_TAG", "layout_of_stack", "summary_of"]

PAGE_TAG = 51123
_SUMMARY_HEADER = 2355492
_SUMMARY_AT = 32
_LARGEST_SUMMARY_BYTES = 1 << 24
_LARGEST_PAGE_BYTES = 1 << 20


def layout_of_stack(path: Path, file: Any, chain: Chain) -> Layout | None:  # noqa: ANN401
    """Return where the pages of a stack belong, with the facts about each; None if it is none of Micro-Manager's."""
    if PAGE_TAG not in file.pages[0].aspage().tags:
        return None
    summary = summary_of(file)
    names = list(names_of_channels(summary))
    layout = Layout("Micro-Manager stack")
    dataset = _dataset(path, summary)
    taken: dict[tuple[int, Within], int] = {}
    n_unreadable = n_lost = n_replaced = 0
    indices = {name: k for k, name in enumerate(names)}
    first: dict[str, TagValue] = {}
    for i in range(chain.n):
        read = attempt(partial(_page_metadata, file, i))
        metadata = None if isinstance(read, Failure) else read
        coords = None if metadata is None else coords_of(metadata, indices)
        if metadata is None or coords is None:
            n_unreadable += metadata is None
            n_lost += metadata is not None
            facts = Facts(tags={}) if metadata is None else thin_facts(metadata, summary, first)
            layout.slots.append(Slot(i, (path, "unknown"), Within(time=i), facts))
            continue
        within = Within(coords.channel, coords.z, coords.time)
        if (coords.position, within) in taken:  # written once more: the later one counts, as for Micro-Manager
            n_replaced += 1
            earlier = taken[coords.position, within]
            layout.slots[earlier] = layout.slots[earlier]._replace(page=-1)
        taken[coords.position, within] = len(layout.slots)
        name = channel_name_of(metadata)
        if name is not None and coords.channel < 1000:
            names += [""] * (coords.channel + 1 - len(names))
            names[coords.channel] = names[coords.channel] or name
        bits = finite(metadata.get("BitDepth"))
        layout.slots.append(
            Slot(
                i,
                (dataset, coords.position),
                within,
                thin_facts(metadata, summary, first),
                None if bits is None else int(bits),
            )
        )
    layout.slots = [slot for slot in layout.slots if slot.page >= 0]
    layout.channel_names = tuple(names) if any(names) else ()
    if n_lost:
        layout.problems.append(
            f"{path.name}: {n_lost} of its images do not state their position, time, z and channel, and are counted "
            "along time"
        )
    if n_unreadable:
        layout.problems.append(
            f"{path.name}: the metadata of {n_unreadable} of its images cannot be read, so their positions and times "
            "are not known"
        )
    if n_replaced:
        layout.problems.append(
            f"{path.name} holds {counted(n_replaced, 'image')} that a later one replaces; that is left out"
        )
    return layout


def summary_of(file: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the summary of the dataset, which stands at the beginning of each of its files; empty if unreadable."""
    handle = file.filehandle
    handle.seek(_SUMMARY_AT)
    start = handle.read(8)
    if len(start) < 8:
        return {}
    header, length = struct.unpack(file.byteorder + "II", start)
    if header != _SUMMARY_HEADER or length > _LARGEST_SUMMARY_BYTES:
        return {}
    return entries_of(handle.read(length))[0]


def _page_metadata(file: Any, index: int) -> dict[str, Any] | None:  # noqa: ANN401
    page = file.pages[index].aspage()
    tag = page.tags.get(PAGE_TAG)
    if tag is None:
        return None
    if isinstance(tag.value, dict):
        return tag.value
    file.filehandle.seek(tag.valueoffset)
    return entries_of(file.filehandle.read(min(int(tag.count), _LARGEST_PAGE_BYTES)))[0] or None


def _dataset(path: Path, summary: dict[str, Any]) -> tuple[Path, str, str]:
    """Return what the files of one dataset share, and those of another do not."""
    prefix, found, _ = path.name.partition("_MMStack")
    return (path.parent, prefix if found else path.name, str(summary.get("UUID", summary.get("StartTime", ""))))
