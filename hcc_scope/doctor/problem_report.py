"""One zip for a problem report: findings, versions, the rig's files, logs, and the last run's summary.

Texts only, and nothing of the specimen: no frame, no note, no score of a field. Names are taken out of all of it
(`hcc_scope.doctor.redaction`) unless they were asked for.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcc_scope.doctor.redaction import Redactor
from hcc_scope.errors import ConfigError, StoreExistsError, StoreUnwritableError
from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hcc_scope.doctor.results import Result

__all__ = ["Account", "Report", "check_target", "gather", "write_report"]

_MOST_BYTES = 2**20
"""Of one file: the end of a log counts."""
_MOST_BUGS = 5
_MOST_STORES = 1000
"""Whose ids are taken out."""
_BUG_FILES = "hcc-scope-bug-*.txt"
_RUN_LOG = "run_log.jsonl"
"""In a store: what happened to the devices during its run."""
_README = """What hcc-scope doctor --zip packed: {when} UTC.

{names}

doctor.txt, doctor.json   what was examined, and what was found
versions.json             everything that is installed in this Python, and the system
rig/                      the rig file and its Micro-Manager configuration
logs/                     what drivers and libraries printed meanwhile, and the latest tracebacks of HCC-Scope
last_run/                 summary, facts and log of the newest section in the folder that was examined
"""
_NAMES_OUT = (
    "Animal and section ids, user names, the computer's name and home folders were taken out where they are known.\n"
    "Look it over before you send it: a folder that is named after a person somewhere else is not recognised."
)
_NAMES_IN = "It contains animal and section ids, user names, the computer's name and home folders, as it was asked to."


@dataclass(slots=True)
class Account:
    """What is worth knowing about the last run in a folder."""

    files: dict[str, str] = field(default_factory=dict)
    """Text by name."""
    ids: list[tuple[str, str]] = field(default_factory=list)
    """Animal and section of the sections that it is about."""
    other_ids: list[tuple[str, str]] = field(default_factory=list)
    """Those of the folder's other sections, which tracebacks and drivers' messages may name."""


@dataclass(frozen=True, slots=True)
class Report:
    """The texts of a problem report."""

    files: dict[str, str]
    """By name in the zip."""


def check_target(path: Path) -> None:
    """Refuse a file that cannot be made, before anything that takes time.

    Raises
    ------
    StoreExistsError
        If it is there: nothing is overwritten.
    StoreUnwritableError
        If its folder is not there.
    """
    if os.path.lexists(path):
        raise StoreExistsError(
            f"{path} is already there and is never overwritten", hint="Choose another name for --zip."
        )
    if not path.absolute().parent.is_dir():
        raise StoreUnwritableError(f"{path} cannot be made: its folder is not there", hint="Make the folder first.")


def gather(
    results: Sequence[Result],
    *,
    rig: str | None,
    out_dir: Path,
    log: str,
    with_ids: bool,
    redactor: Redactor | None = None,
) -> Report:
    """Return the texts of a problem report.

    Parameters
    ----------
    results : sequence of Result
        Of the examination.
    rig : str or None
        The rig that was examined.
    out_dir : Path
        Where sections are stored.
    log : str
        What the examination's processes printed.
    with_ids : bool
        Whether names stay in it.
    redactor : Redactor, optional
        Takes names out; by default those of this user, this computer, and the sections of the last run.
    """
    account = _last_run(out_dir)
    texts = {
        "doctor.txt": "".join(f"{result.verdict:>9}  {result.line()}\n" for result in results),
        "doctor.json": _json({"checks": [result.as_json() for result in results]}),
        "versions.json": _json(_installed()),
        **{f"rig/{name}": text for name, text in _rig_files(rig)},
        **({"logs/doctor.log": log} if log.strip() else {}),
        **{f"logs/{name}": text for name, text in _bugs()},
        **{f"last_run/{name}": text for name, text in account.files.items()},
    }
    if not with_ids:
        ids = [*account.ids, *_occurring(account.other_ids, texts)]
        without = Redactor.here(list(dict.fromkeys(ids))) if redactor is None else redactor
        for text in texts.values():
            without.learn(text)
        texts = {without.text(name): without.file(name, text) for name, text in texts.items()}
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return Report({"README.txt": _README.format(when=when, names=_NAMES_IN if with_ids else _NAMES_OUT), **texts})


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _installed() -> dict[str, Any]:
    from hcc_scope.report.summary import software_versions

    packages = {str(found.metadata["Name"]): found.version for found in distributions()}
    return {**software_versions(), "packages": dict(sorted(packages.items()))}


def _text_of(path: Path) -> str:
    """Return the end of a text file; its reason as text if it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _MOST_BYTES))
            return file.read().decode("utf-8", errors="backslashreplace")
    except OSError as error:
        return f"(cannot be read: {error.strerror or error})\n"


def _rig_files(rig: str | None) -> Iterable[tuple[str, str]]:
    """Yield name and text of a rig's files, also of one with a fault in it."""
    from hcc_scope.rig.rigfile import load_rig
    from hcc_scope.small_files import expanded

    if rig is None:
        return
    try:
        loaded = load_rig(rig)
    except ConfigError:
        path = expanded(rig)
        if path.is_file():
            yield path.name, _text_of(path)
        return
    files = [loaded.config] if loaded.path is None else [loaded.path, loaded.config]
    for path in files:
        if path.is_file():
            yield path.name, _text_of(path)


def _bugs() -> Iterable[tuple[str, str]]:
    """Yield the latest tracebacks that the command line has written."""
    files = sorted(Path(tempfile.gettempdir()).glob(_BUG_FILES), key=_changed_s, reverse=True)
    for n, path in enumerate(files[:_MOST_BUGS], 1):
        yield f"bug-{n}.txt", _text_of(path)


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _last_run(out_dir: Path) -> Account:
    """Return what the newest section in a folder, and its summary, state; nothing if there is none."""
    account = Account()
    summaries = sorted(out_dir.glob("summary*.json"), key=_changed_s)
    if summaries:
        account.files["summary.json"] = text = _text_of(summaries[-1])
        account.ids += _ids_of_summary(text)
    stores = sorted(out_dir.glob(f"*{STORE_SUFFIX}"), key=_changed_s)
    if stores:
        _add_store(account, stores[-1])
    for store in stores[-_MOST_STORES:]:
        account.other_ids += _ids_of_store(store)
    return account


def _ids_of_summary(text: str) -> list[tuple[str, str]]:
    try:
        sections = json.loads(text).get("sections", [])
        return [(str(one["animal_id"]), str(one["section_id"])) for one in sections]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def _occurring(ids: Sequence[tuple[str, str]], texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the ids that occur in some texts, an empty one for the other: few, as each is looked for in each word."""
    everything = "\n".join([*texts, *texts.values()]).lower()
    # beyond ASCII there are several ways to write a name, which the redactor knows
    found = {
        name: name if not name.isascii() or name.lower() in everything else "" for pair in set(ids) for name in pair
    }
    return [pair for animal, section in ids if any(pair := (found[animal], found[section]))]


def _ids_of_store(store: Path) -> list[tuple[str, str]]:
    from hcc_scope.storage.facts import recorded_attributes

    def ids() -> tuple[str, str]:
        spec = recorded_attributes(store)["spec"]
        return str(spec["animal_id"]), str(spec["section_id"])

    found = attempt(ids)
    return [] if isinstance(found, Failure) else [found]


def _add_store(account: Account, store: Path) -> None:
    from hcc_scope.storage.reader import read_facts

    found = attempt(lambda: read_facts(store)[0])
    if isinstance(found, Failure):
        account.files["facts.txt"] = f"{store.name} cannot be read: {found.error}\n"
        return
    account.ids.append((found.spec.animal_id, found.spec.section_id))
    account.files["facts.json"] = _json(found.attributes)
    log = store / _RUN_LOG
    if log.is_file():
        account.files[_RUN_LOG] = _text_of(log)


def write_report(report: Report, path: Path) -> Path:
    """Write a problem report: whole or not at all, and never over another file.

    Raises
    ------
    StoreExistsError
        If the file is there by now.
    StoreUnwritableError
        If it cannot be written.
    """
    check_target(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, text in report.files.items():
                archive.writestr(_encodable(name).decode(), _encodable(text))
        _put_in_place(part, path)
    except FileExistsError as error:
        raise StoreExistsError(f"{path} is already there and is never overwritten") from error
    except OSError as error:
        raise StoreUnwritableError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _encodable(text: str) -> bytes:
    """Return a text in UTF-8; names of files on Linux may hold what is no text."""
    return text.encode("utf-8", "backslashreplace")


def _put_in_place(part: Path, path: Path) -> None:
    """Give a file its name, unless there is one of that name."""
    if os.name == "nt":
        part.rename(path)  # refuses an existing one by itself
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError from None
        part.rename(path)
