"""How a section came about, as an RO-Crate: a folder that describes itself (JSON-LD), with ids, hashes and versions.

Design
------
- The folder holds copies of what the store states about its frames (facts, journal, results, notes ...), the card of
  the model if it is here, and ``store-sha256.txt``: the sha256 of every file of the store, frames included, as
  ``sha256sum --check`` takes it in the folder that holds the store. The frames themselves stay where they are.
- RO-Crate 1.2 (decision 67): it knows data that is described and not in the folder, and schema.org's ``sha256``.
- Only what is recorded stands there. There is no author, and no licence unless one is stated: a program cannot know
  either.
- A section whose run has not ended is refused: its hashes would be those of another store by tomorrow.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hcc_scope import __version__
from hcc_scope.atomic_file import create_file, json_bytes
from hcc_scope.errors import ModelError, StoreError
from hcc_scope.exports.outcome import ExportOutcome
from hcc_scope.exports.target import exported
from hcc_scope.formatting import counted
from hcc_scope.inference.card import CARD_FILE, read_card
from hcc_scope.inference.catalogue import known_model
from hcc_scope.printable import printable
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.report.card_markdown import card_markdown
from hcc_scope.research_use import phantom_alarm, research_use
from hcc_scope.score_text import SAMPLING_TEXTS, SCORE_NAME, describe_named_score
from hcc_scope.storage.files import cannot_read, check_plain, open_plain
from hcc_scope.storage.place import local_place
from hcc_scope.storage.present_score import present_score

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import SectionScore

__all__ = ["METADATA_FILE", "STORE_HASHES", "export_provenance"]

METADATA_FILE = "ro-crate-metadata.json"
STORE_HASHES = "store-sha256.txt"
_VERSION = "https://w3id.org/ro/crate/1.2"
_BLOCK_BYTES = 1 << 20
_LINE_BYTES = 200
"""Of a file in the list of hashes, at most."""
_MEDIA_TYPES = {
    ".json": "application/json", ".jsonl": "application/jsonl", ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png", ".txt": "text/plain", ".yaml": "application/yaml", ".md": "text/markdown",
}  # fmt: skip
_DESCRIPTIONS = {
    "zarr.json": "Facts of the section and of its run, in the metadata of the OME-Zarr image",
    "hcc_scope.json": "Facts of the section as they were before the first frame",
    "frames.jsonl": "Journal: time, place, exposure, camera's tags and checksum of each frame",
    "predictions.jsonl": "Results of every tile, as the analysis wrote them",
    "predictions.parquet": "Results of every tile as a table",
    "notes.jsonl": "Notes of people, and the fields that they took out of the score",
    "sample.jsonl": "The random fields that were drawn, and those that were skipped",
    "run_log.jsonl": "What happened to the devices during the run",
    "shading-dark.png": "Dark field by which frames were corrected before they were classified",
    "shading-flat.png": "Flat field by which frames were corrected before they were classified",
}


@dataclass(frozen=True, slots=True)
class _Copied:
    """A file of the crate."""

    path: str
    """In the crate, with ``/``."""
    n_bytes: int
    sha256: str
    description: str


def export_provenance(store: SectionStore, target: Path, *, on_progress: OnProgress = ignore_progress) -> ExportOutcome:
    """Write a section's RO-Crate; reads every file of the store.

    Parameters
    ----------
    store : SectionStore
        Of a run that has ended.
    target : Path
        Folder to make.
    on_progress : callable

    Raises
    ------
    StoreError
        If the run has not ended, or a file cannot be read; if the store is on object storage.
    StoreExistsError, StoreUnwritableError, DiskFullError, UsageError
        As `hcc_scope.exports.target.exported`.
    """
    path = local_place(store.place, "every file of the store's folder is hashed")
    if not store.complete:
        raise StoreError(
            f"The run of {path} has not ended: its files are not final", hint="Run hcc-scope recover on it first."
        )
    files = list(_files_of(path))
    copied_bytes = sum(size for name, size in files if _is_copied(name))
    need_bytes = copied_bytes + len(files) * _LINE_BYTES + (1 << 20)
    with exported(target, need_bytes) as part:
        (part / "store").mkdir(parents=True)
        copied = _hash_and_copy(path, files, part, on_progress)
        copied += _model_card(store, part)
        graph = _graph(store, copied, sum(size for _, size in files))
        create_file(part / METADATA_FILE, json_bytes({"@context": f"{_VERSION}/context", "@graph": graph}))
    what = f"{counted(len(files), 'file')} of the store with their sha256, and {counted(len(copied), 'file')} beside"
    return ExportOutcome(target, what)


def _files_of(store: Path) -> Iterator[tuple[str, int]]:
    """Yield path with ``/`` and size of every file of a store, in order.

    Raises
    ------
    StoreError
        If something in it is neither a file nor a folder, or cannot be read.
    """
    try:
        for where, folders, names in os.walk(store, onerror=_raise):
            folder = Path(where)
            folders.sort()
            for name in folders:
                check_plain(folder / name, "a folder")
            for name in sorted(names):
                check_plain(folder / name)
                yield (folder / name).relative_to(store).as_posix(), (folder / name).stat().st_size
    except OSError as error:
        raise cannot_read(error, f"The store {store}") from error


def _is_copied(name: str) -> bool:
    """Return whether a file of the store is copied: all but those of the frames, which lie in folders."""
    return "/" not in name


def _raise(error: OSError) -> None:
    raise error


def _hash_and_copy(store: Path, files: list[tuple[str, int]], part: Path, on_progress: OnProgress) -> list[_Copied]:
    """Write the list of hashes, and copies of all files but the frames."""
    lines: list[str] = []
    copied: list[_Copied] = []
    total = sum(size for _, size in files)
    done = 0
    for name, size in files:
        copy = part / "store" / name if _is_copied(name) else None
        sha256, n_bytes = _sha256(store / name, copy)
        lines.append(f"{sha256}  {store.name}/{name}")
        if copy is not None:
            about = _DESCRIPTIONS.get(name, "File of the store")
            copied.append(_Copied(f"store/{name}", n_bytes, sha256, about))
        done += size
        on_progress(Progress("reading files", done, total, name))
    text = "\n".join(lines) + "\n"
    copied.insert(0, _written(part, STORE_HASHES, text, "sha256 of every file of the store, for sha256sum --check"))
    return copied


def _sha256(path: Path, copy: Path | None) -> tuple[str, int]:
    """Return the hash of a file of the store and its size, and copy it."""
    digest, n_bytes = hashlib.sha256(), 0
    with ExitStack() as stack:
        written = None
        if copy is not None:
            copy.parent.mkdir(parents=True, exist_ok=True)
            written = stack.enter_context(copy.open("xb"))
        for block in _blocks(path):
            digest.update(block)
            n_bytes += len(block)
            if written is not None:
                written.write(block)
    return digest.hexdigest(), n_bytes


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield what a file of the store holds; an error of reading is no error of the export's own files."""
    try:
        with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise cannot_read(error, str(path)) from error


def _written(part: Path, name: str, text: str, description: str) -> _Copied:
    data = text.encode(errors="backslashreplace")
    create_file(part / name, data)
    return _Copied(name, len(data), hashlib.sha256(data).hexdigest(), description)


def _model_card(store: SectionStore, part: Path) -> list[_Copied]:
    """Copy the card of the model if it is here, as data and as text."""
    sha256 = store.spec.model_sha256
    folder = None if sha256 is None else known_model(sha256, store.recorded.provenance.model)
    if folder is None:
        return []
    try:
        card = read_card(folder)
        data = (folder / CARD_FILE).read_text(encoding="utf-8")
    except (ModelError, OSError):  # it was changed since: the crate states its sha256 all the same
        return []
    (part / "model").mkdir()
    return [
        _written(part, f"model/{CARD_FILE}", data, "Card of the model: training, validation, limits, as data"),
        _written(part, "model/README.md", card_markdown(card), "Card of the model as text"),
    ]


# ---- the description ------------------------------------------------------------------------------------------------


_STATUS = {True: "http://schema.org/FailedActionStatus", False: "http://schema.org/CompletedActionStatus"}
"""Of a run, by whether it failed."""


def _graph(store: SectionStore, copied: list[_Copied], n_bytes: int) -> list[dict[str, Any]]:
    spec, run, attributes = store.spec, store.recorded, store.attributes
    parts = [{"@id": quote(one.path)} for one in copied]
    section = f"section {spec.section_id} of animal {spec.animal_id}"
    warning = phantom_alarm(run.provenance.model_trained_on, spec.provenance)
    about = " ".join(filter(None, (research_use(run.provenance.model_trained_on), warning)))
    score = _score(store)
    measured = [] if score is None or score.score is None else _measured(score)
    software = _software(attributes.get("software", {}))
    model = _model(store, {one.path for one in copied})
    action = _action(store, model, software)
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"How {section} came about",
        "description": f"Facts, journal, results and hashes of a microscope {section}. {about}",
        "datePublished": datetime.now(UTC).isoformat(timespec="seconds"),
        "license": {"@id": "#licence"},
        "about": {"@id": "#store"},
        "hasPart": parts,
        "mentions": {"@id": action["@id"]},
        "variableMeasured": [{"@id": one["@id"]} for one in measured],
    }
    return [
        {
            "@id": METADATA_FILE,
            "@type": "CreativeWork",
            "name": "Description of this folder",
            "conformsTo": {"@id": _VERSION},
            "about": {"@id": "./"},
            "sdPublisher": {"@id": "#hcc-scope"},
        },
        root,
        {
            "@id": "#licence",
            "@type": "CreativeWork",
            "name": "No licence is stated",
            "description": "Whoever acquired the section decides who may use it, and how.",
        },
        _store(store, n_bytes, measured),
        action,
        {"@id": action["actionStatus"]["@id"], "@type": "ActionStatusType", "name": run.state or "ended"},
        *measured,
        *([] if model is None else [model]),
        *software,
        *(_file(one) for one in copied),
    ]


def _file(one: _Copied) -> dict[str, Any]:
    name = one.path.rpartition("/")[2]
    return {
        "@id": quote(one.path),
        "@type": "File",
        "name": name,
        "description": one.description,
        "encodingFormat": _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream"),
        "contentSize": str(one.n_bytes),
        "sha256": one.sha256,
    }


def _property(identity: str, name: str, value: object, **more: object) -> dict[str, Any]:
    return {"@id": identity, "@type": "PropertyValue", "name": name, "value": value, **more}


def _score(store: SectionStore) -> SectionScore | None:
    try:
        return present_score(store)
    except StoreError:  # a run that classified nothing, or results that are damaged, which the hashes show
        return None


def _measured(score: SectionScore) -> list[dict[str, Any]]:
    """Return the score by the present notes; the ends of its interval only if it is valid."""
    low, high = score.interval if score.interval_valid else (None, None)
    ends = {} if low is None else {"minValue": low, "maxValue": high, "measurementTechnique": "confidence sequence"}
    return [
        _property("#score", SCORE_NAME, score.score, description=describe_named_score(score), **ends),
        _property("#threshold", "decision threshold", score.threshold),
        _property("#frames-in-score", "frames in the score", score.frames),
        _property("#tiles-in-score", "tiles in the score", score.tiles),
    ]


def _store(store: SectionStore, n_bytes: int, measured: list[dict[str, Any]]) -> dict[str, Any]:
    spec, run = store.spec, store.recorded
    return {
        "@id": "#store",
        "@type": "Dataset",
        "name": store.place.name,
        "description": f"OME-Zarr 0.5 image of {counted(store.n_frames, 'frame')} with its journal, beside this "
        f"folder and not in it. {STORE_HASHES} has the sha256 of each of its files.",
        "localPath": store.place.name,
        "identifier": str(store.attributes["facts_sha256"]) if "facts_sha256" in store.attributes else store.place.name,
        "encodingFormat": "application/vnd+zarr",
        "size": f"{n_bytes} bytes",
        "dateCreated": run.created_utc.isoformat(),
        "measurementTechnique": f"{SAMPLING_TEXTS[spec.sampling]}, {spec.pixel_size_um:g} um per pixel",
        "variableMeasured": [{"@id": one["@id"]} for one in measured],
    }


def _action(store: SectionStore, model: dict[str, Any] | None, software: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run: when, with what, and how it ended."""
    run = store.recorded
    ended = store.attributes.get("finished_utc")
    failed = run.state == "failed"
    cause = None if run.outcome is None else run.outcome.cause
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "Acquisition and analysis of the section",
        "description": f"The run ended: {run.state or 'not recorded how'}",
        "startTime": run.created_utc.isoformat(),
        **({} if ended is None else {"endTime": ended}),
        "actionStatus": {"@id": _STATUS[failed]},
        **({"error": printable(cause)} if cause else {}),
        **({} if model is None else {"instrument": {"@id": model["@id"]}}),
        "additionalProperty": [{"@id": one["@id"]} for one in software[1:]],
        "result": {"@id": "#store"},
    }


def _software(versions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the program that made the crate, and the versions that the run recorded.

    RO-Crate asks for the web page of everything that is called a software application; none of them is known here.
    """
    program = {
        "@id": "#hcc-scope", "@type": "CreativeWork", "additionalType": "http://schema.org/SoftwareApplication",
        "name": "HCC-Scope, which wrote this description", "version": __version__,
    }  # fmt: skip
    found = [
        _property(f"#version-{number}", printable(str(name)), printable(str(version)), propertyID="version")
        for number, (name, version) in enumerate(versions.items(), start=1)
    ]
    return [program, *found]


def _model(store: SectionStore, paths: set[str]) -> dict[str, Any] | None:
    sha256, provenance = store.spec.model_sha256, store.recorded.provenance
    if sha256 is None:
        return None
    card = f"model/{CARD_FILE}"
    return {
        "@id": "#model",
        "@type": "CreativeWork",
        "name": printable(provenance.model or "model without a name"),
        "description": research_use(provenance.model_trained_on),
        "identifier": f"sha256:{sha256}",
        "sha256": sha256,
        **({"subjectOf": {"@id": card}} if card in paths else {}),
    }
