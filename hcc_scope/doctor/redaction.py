r"""Take the names of persons, computers and animals out of texts that leave the laboratory.

What is replaced, in this order:

1. the home folder, by ``~``, as Windows and POSIX write it: ``C:\Users\anna``, ``C:\\Users\\anna`` (in JSON),
   ``C:/Users/anna``, ``/c/Users/anna``, ``file:///C:/Users/anna``, ``/home/anna``; then any other person's folder
   there;
2. names of users and of the computer, wherever they stand as a word, whatever their case; servers of network paths, and
   mail addresses;
3. animal and section ids, wherever they stand as a word (a number, a single letter and JSON's own words only in the
   places where an id stands, as they may be anything), and the names of stores.

A word ends where letters and digits end: an underscore parts words here, as it does in the name of a store. Of JSON the
texts are looked through, each as it reads, and never its numbers or the names that the program gives to values.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from hcc_scope.storage.naming import STORE_SUFFIX
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Redactor"]

_SEPARATOR = r"(?:[\\/]+|%5C|%2F)"
_USER_FOLDERS = r"(?:Users|home|Benutzer|Documents and Settings)"
_A_FOLDER = re.compile(
    rf"({_SEPARATOR}{_USER_FOLDERS}{_SEPARATOR})([^\\/\r\n\"'<>|,;:%]{{1,64}}(?={_SEPARATOR})|[^\\/\s\"'<>|,;:%)\]}}]+)",
    re.IGNORECASE,
)
_NOBODY = frozenset({"public", "shared", "default", "all users", "user"})
"""Folders there that belong to no person."""
_ANYTHING = re.compile(r"[\d.,_-]+|\d+(?:\.\d+)?e[+-]?\d+|.|true|false|null|none|nan", re.IGNORECASE)
"""Ids that stand in a text for anything else as well."""
_SERVER = re.compile(
    r"((?<![\w\\:])(?:\\{4}|\\{2})(?![.?]\\)|\b(?:smb|cifs|nfs|afp)://(?:[^/@\s]+@)?)([^\\/\s\"'<>|?*]+)(?=[\\/])"
)
_MAIL = re.compile(r"[\w.+-]+@\w[\w-]*(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_ID_NAMES = {"animal": "animal", "section": "section", "animal_id": "animal", "section_id": "section"}
"""Keys of JSON whose text is an id, and what stands for it."""
_OWN_KEY = re.compile(r"[a-z][a-z0-9_]*")
"""A name that the program gives to a value."""
_ID_KEY = re.compile(r"\b((animal|section)_id)([\\\"']*\s*[:=]\s*[\\\"']*)([^\"'\\\n,}]+)")
_ID_WORD = re.compile(r"\b(animal|section)([ =])(['\"])[^'\"\n]+\3")
_ID_OPTION = re.compile(r"(--(?:animal|section)[ =])([^\s'\"]+)")
_STORE = re.compile(rf"[^\s\\/\"'<>|]+{re.escape(STORE_SUFFIX)}")
_HIDDEN_ID = re.compile(r"(animal|section)-\d+|null|None")
_HIDDEN_STORE = re.compile(rf"(animal-\d+_section-\d+|section){re.escape(STORE_SUFFIX)}")


def _in_code_page(text: str) -> str:
    """Return how a text of an old .cfg reads here, if its code page can hold all of it; else nothing."""
    try:
        return text.encode("cp1252").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return ""


def _word(text: str) -> str:
    """Return a pattern of a text that stands for itself, in every way it may be written."""
    forms = {text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)}
    forms |= {form.upper() for form in forms}  # which has two letters for some
    forms |= {
        *(json.dumps(form)[1:-1] for form in forms),
        *(quote(form) for form in forms),
        *(form.encode("ascii", "backslashreplace").decode() for form in forms),
        *(form.encode().decode("cp1252", "replace") for form in forms),
        *filter(None, map(_in_code_page, forms)),
    }
    either = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return rf"(?<![^\W_])(?:{either})(?![^\W_])"


def _owners(text: str) -> set[str]:
    """Return the names of the persons whose folders a text names."""
    found = {match[2].strip() for match in _A_FOLDER.finditer(text)}
    return {name for name in found if name.lower() not in _NOBODY and len(name) > 1}


@cache
def _person(name: str) -> re.Pattern[str]:
    return re.compile(_word(name), re.IGNORECASE)


def _path(folder: str) -> str:
    """Return a pattern of a folder, however its parts are separated."""
    drive, colon, rest = folder.partition(":")
    if not colon:
        drive, rest = "", folder
    parts = [part for part in re.split(r"[\\/]+", rest) if part]
    names = "".join(_SEPARATOR + "(?:" + _word(part) + ")" for part in parts)
    if drive:
        names = (
            rf"(?:(?<![^\W_]){re.escape(drive)}(?::|%3A)|[\\/](?:mnt[\\/]|cygdrive[\\/])?{re.escape(drive)})?{names}"
        )
    return names


class Redactor:
    """Replaces names in texts.

    Parameters
    ----------
    users, hosts : iterable of str
        Names of persons and computers.
    homes : iterable of str
        Home folders, as any system writes them.
    ids : sequence of (animal, section)
        The n-th distinct animal becomes ``animal-n``. Either may be empty.
    """

    def __init__(
        self,
        users: Iterable[str] = (),
        hosts: Iterable[str] = (),
        homes: Iterable[str] = (),
        ids: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._rules: list[tuple[re.Pattern[str], str]] = []
        for home in sorted(set(filter(None, homes)), key=len, reverse=True):
            if re.search(r"[^\\/:]{2,}", home):  # the root of a disk is no home
                self._add(_path(home), "~")
        self._users = sorted({name for name in users if len(name) > 1}, key=len, reverse=True)
        self._others: set[str] = set()
        """Persons whose folders were seen (`learn`)."""
        self._later: list[tuple[re.Pattern[str], str]] = []
        self._of_ids: list[tuple[re.Pattern[str], str]] = []
        for host in sorted({name for name in hosts if len(name) > 1}, key=len, reverse=True):
            self._later.append((re.compile(_word(host), re.IGNORECASE), "HOST"))
        self._add_ids(ids)

    @classmethod
    def here(cls, ids: Sequence[tuple[str, str]] = ()) -> Self:
        """Return one for this user on this computer."""
        home = str(Path.home())
        variables = ("USER", "LOGNAME", "USERNAME", "SUDO_USER")
        users = {Path(home).name, *_asked(getpass.getuser), *_asked(_full_name), *map(_variable, variables)}
        host = {name for ask in (socket.gethostname, platform.node) for name in _asked(ask)}
        host |= {_variable(name) for name in ("COMPUTERNAME", "HOSTNAME")}
        return cls(users, host | {name.split(".")[0] for name in host}, [home], ids)

    def _add(self, pattern: str, replacement: str) -> None:
        self._rules.append((re.compile(pattern, re.IGNORECASE), replacement))

    def _add_ids(self, ids: Sequence[tuple[str, str]]) -> None:
        animals = list(dict.fromkeys(animal for animal, _ in ids if animal))
        sections = list(dict.fromkeys(section for _, section in ids if section))
        pairs = [
            (f"{animal}_{section}", f"animal-{animals.index(animal) + 1}_section-{sections.index(section) + 1}")
            for animal, section in ids
            if animal and section
        ]
        pairs += [(name, f"animal-{n}") for n, name in enumerate(animals, 1) if not _ANYTHING.fullmatch(name)]
        pairs += [(name, f"section-{n}") for n, name in enumerate(sections, 1) if not _ANYTHING.fullmatch(name)]
        for name, instead in sorted(pairs, key=lambda pair: len(pair[0]), reverse=True):
            self._of_ids.append((re.compile(_word(name), re.IGNORECASE), instead))
        for kind, names in (("animal", animals), ("section", sections)):
            for name in filter(_ANYTHING.fullmatch, names):
                self._of_ids.append((re.compile(rf"(?<!-)\b({kind}) {_word(name)}", re.IGNORECASE), r"\1"))
        self._ids = {
            "animal": {name: f"animal-{n}" for n, name in enumerate(animals, 1)},
            "section": {name: f"section-{n}" for n, name in enumerate(sections, 1)},
        }

    def learn(self, text: str) -> None:
        """Take note of the persons whose folders a text names, for all texts."""
        self._others |= _owners(self._without_homes(text))

    def _without_homes(self, text: str) -> str:
        for pattern, instead in self._rules:
            text = pattern.sub(instead, text)
        return text

    def file(self, name: str, text: str) -> str:
        """Return the text of a file without the names; JSON stays JSON with the same numbers.

        Parameters
        ----------
        name : str
            Its ending shows whether it is JSON or JSON lines.
        text : str
        """
        if name.endswith(".json"):
            return self._json(text, indent=2) + "\n"
        if name.endswith(".jsonl"):
            lines = text.removesuffix("\n").split("\n")  # a text within JSON may hold other ends of lines
            return "".join(self._json(line, indent=None) + "\n" for line in lines)
        return self.text(text)

    def _json(self, text: str, indent: int | None) -> str:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self.text(text)
        return json.dumps(self._value(value), indent=indent, ensure_ascii=False)

    def _value(self, value: Any, key: str = "") -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, dict):
            return {self._key(name): self._value(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, key) for one in value]
        if not isinstance(value, str):
            return value
        if key in _ID_NAMES:
            kind = _ID_NAMES[key]
            return self._ids[kind].get(value, kind)
        return self.text(value)

    def _key(self, name: str) -> str:
        return self._without_persons(name) if _OWN_KEY.fullmatch(name) else self.text(name)

    def _without_persons(self, text: str) -> str:
        """Return a text without home folders, users, computers and addresses."""
        text = self._without_homes(text)
        persons = {*self._users, *self._others, *_owners(text)}
        text = _SERVER.sub(r"\1HOST", text)
        text = _A_FOLDER.sub(r"\1USER", text)
        text = _MAIL.sub("USER@HOST", text)
        for name in sorted(persons, key=len, reverse=True):
            text = _person(name).sub("USER", text)
        for pattern, instead in self._later:
            text = pattern.sub(instead, text)
        return text

    def text(self, text: str) -> str:
        """Return a text without the names."""
        text = self._without_persons(text)
        for pattern, instead in self._of_ids:
            text = pattern.sub(instead, text)
        text = _ID_KEY.sub(_without_id, text)
        text = _ID_WORD.sub(r"\1\2\3\1\3", text)
        text = _ID_OPTION.sub(r"\1ID", text)
        return _STORE.sub(
            lambda match: match[0] if _HIDDEN_STORE.fullmatch(match[0]) else f"section{STORE_SUFFIX}", text
        )


def _without_id(match: re.Match[str]) -> str:
    kept = match[4] if _HIDDEN_ID.fullmatch(match[4]) else match[2]
    return f"{match[1]}{match[3]}{kept}"


def _variable(name: str) -> str:
    return os.environ.get(name, "")


def _full_name() -> str:
    """Return the name of the person that the system has beside the user's; empty where it has none."""
    try:
        import pwd
    except ImportError:  # Windows
        return ""
    return pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0].strip()  # type: ignore[attr-defined,unused-ignore]


def _asked(ask: Callable[[], str]) -> set[str]:
    """Return what the system answers; nothing if it does not."""
    name = attempt(ask)
    return set() if isinstance(name, Failure) or not name else {name}
