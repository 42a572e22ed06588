"""Files as Micro-Manager writes them, byte by byte: its stacks, and its folders with a file for each image.

Its own writers are Java. What is written here follows its description of the formats; `tifffile`, which has a reader of
its own for the stacks, is asked in the tests whether it recognises them.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import tifffile

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

__all__ = ["SUMMARY", "metadata_of", "ome_xml", "write_folder_1", "write_folder_2", "write_stack"]

SUMMARY = {
    "MicroManagerVersion": "2.0.1",
    "Prefix": "run_1",
    "ChNames": ["Bright", "DAPI"],
    "StartTime": "2026-11-30 09:00:00.000 +0100",
    "Frames": 2,
    "Positions": 1,
    "Slices": 1,
    "Channels": 1,
    "TimeFirst": False,
    "SlicesFirst": True,
}


def metadata_of(position: int = 0, time: int = 0, z: int = 0, channel: int = 0, **others: object) -> dict[str, Any]:
    """Return what version 2.0 states about an image of an Andor camera."""
    return {
        "PositionIndex": position,
        "FrameIndex": time,
        "SliceIndex": z,
        "ChannelIndex": channel,
        "PositionName": f"Pos{position}",
        "Camera": "Andor",
        "BitDepth": 14,
        "Exposure-ms": 12.5,
        "PixelSizeUm": 0.325,
        "XPositionUm": 100.5 + position,
        "YPositionUm": -20.25,
        "ZPositionUm": 3.5,
        "ElapsedTime-ms": 1500.0,
        "ReceivedTime": f"2026-11-30 09:00:0{time}.250 +0100",
        "ImageNumber": "7",
        "Andor-Gain": "300",
        "Andor-EMSwitch": "On",
        "Andor-CCDTemperature": "-69",
        "Andor-CCDTemperatureSetPoint": "-70",
        "ObjectiveTurret-Label": "20x",
        "UserData": {"PropertyMapVersion": "1", "Note": {"type": "STRING", "scalar": "one of two"}},
        "ScopeDataKeys": ["Andor-Gain"],
    } | others


def ome_xml(file_name: str, planes: list[tuple[int, int]], size_t: int) -> str:
    """Return OME-XML of one image whose planes are (time, page) of a file."""
    blocks = "".join(
        f'<TiffData FirstC="0" FirstT="{time}" FirstZ="0" IFD="{page}" PlaneCount="1">'
        f'<UUID FileName="{file_name}">urn:uuid:1</UUID></TiffData>'
        for time, page in planes
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="40" SizeY="32" '
        f'SizeC="1" SizeZ="1" SizeT="{size_t}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{blocks}</Pixels>'
        "</Image></OME>"
    )


def write_stack(
    path: Path,
    images: list[tuple[np.ndarray, dict[str, Any] | bytes]],
    summary: dict[str, Any] | None = None,
    xml: str | None = None,
    *,
    killed: bool = False,
) -> None:
    """Write a stack; the metadata of an image as they are, or as the bytes that are to stand there.

    `killed`: as it lies on the disk if Micro-Manager ends before it has finished the file: with room for more.
    """
    stated = json.dumps(SUMMARY if summary is None else summary).encode()
    index_at = 40 + len(stated)
    at = index_at + 8 + 20 * len(images)
    index: list[bytes] = []
    body: list[bytes] = []
    for n, (pixels, metadata) in enumerate(images):
        known = metadata if isinstance(metadata, dict) else {}
        place = [known.get(f"{name}Index", 0) for name in ("Channel", "Slice", "Frame", "Position")]
        index.append(struct.pack("<5I", *place, at))
        text = json.dumps(metadata).encode() + b" \0" if isinstance(metadata, dict) else metadata
        description = (xml or "").encode() + b"\0" if n == 0 and xml else b""
        n_tags = 13 + bool(description)
        pixels_at = at + 2 + 12 * n_tags + 4
        resolution_at = pixels_at + pixels.nbytes
        text_at = resolution_at + 16
        description_at = text_at + len(text)
        following = description_at + len(description)
        tags = [
            (256, 4, 1, pixels.shape[1]),
            (257, 4, 1, pixels.shape[0]),
            (258, 3, 1, 16),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            *([(270, 2, len(description), description_at)] if description else []),
            (273, 4, 1, pixels_at),
            (277, 3, 1, 1),
            (278, 3, 1, pixels.shape[0]),
            (279, 4, 1, pixels.nbytes),
            (282, 5, 1, resolution_at),
            (283, 5, 1, resolution_at + 8),
            (296, 3, 1, 3),
            (51123, 2, len(text), text_at),
        ]
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        leads_to = following if killed or n < len(images) - 1 else 0
        body += [struct.pack("<H", n_tags), entries, struct.pack("<I", leads_to), pixels.astype("<u2").tobytes()]
        body += [struct.pack("<4I", 30769, 1, 30769, 1), text, description]
        at = following
    header = struct.pack("<2sHI", b"II", 42, index_at + 8 + 20 * len(images))
    header += struct.pack("<8I", 54773648, index_at, 483765892, 0, 99384722, 0, 2355492, len(stated))
    rest = bytes(4000 if killed else 0)
    path.write_bytes(b"".join([header, stated, struct.pack("<II", 3453623, len(images)), *index, *body, rest]))


def write_folder_1(folder: Path, images: dict[tuple[int, int], np.ndarray], channels: list[str]) -> None:
    """Write the folder of a position as version 1.4 does: images by (time, channel)."""
    folder.mkdir(parents=True)
    summary = {"MicroManagerVersion": "1.4.22", "ChNames": channels, "PixelSize_um": 0.65}
    entries: dict[str, Any] = {"Summary": summary | {"Time": "2019-05-01 10:00:00 +0200"}}
    for (time, channel), pixels in images.items():
        name = f"img_{time:09d}_{channels[channel]}_000.tif"
        tifffile.imwrite(folder / name, pixels, photometric="minisblack", metadata=None)
        entries[f"FrameKey-{time}-{channel}-0"] = {
            "FileName": name,
            "Channel": channels[channel],
            "Exposure-ms": 20,
            "XPositionUm": 5.0,
            "YPositionUm": 6.0,
            "ZPositionUm": 7.0,
            "Time": f"2019-05-01 10:00:0{time} +0200",
            "ElapsedTime-ms": 1250 * time,
            "PixelSizeUm": 0.65,
        }
    (folder / "metadata.txt").write_text(json.dumps(entries, indent=2))


def write_folder_2(folder: Path, images: dict[int, np.ndarray], position: int = 0) -> None:
    """Write the folder of a position as version 2.0 does: images by time."""
    folder.mkdir(parents=True)
    entries: dict[str, Any] = {"Summary": SUMMARY}
    for time, pixels in images.items():
        name = f"img_channel000_position{position:03d}_time{time:09d}_z000.tif"
        tifffile.imwrite(folder / name, pixels, imagej=True)
        entries[f"Coords-{folder.name}/{name}"] = {"channel": 0, "position": position, "time": time, "z": 0}
        entries[f"Metadata-{folder.name}/{name}"] = metadata_of(position, time)
    (folder / "metadata.txt").write_text(json.dumps(entries, indent=2))
