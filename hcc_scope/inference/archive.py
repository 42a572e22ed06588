"""The content of a ``model.pt``, checked before torch loads it: a received file can neither crash nor do harm.

A TorchScript archive is a zip of tensors (bytes), pickles that torch reads without Python, and program text in a small
language. That language can write files (``torch.save``), and the code of a class in ``__setstate__`` runs
while the file is loaded. So the archive is taken apart here, and refused if

- an entry is damaged (its checksum), is there twice, or all entries together claim much more than the file holds;
- its text names an operation that reaches beyond tensors: files, other processes, the terminal.

The checked parts are written into a plain archive. Torch reads that one alone, so it cannot read the bytes differently.
"""

from __future__ import annotations

import io
import itertools
import pickletools
import re
import struct
import zipfile
import zlib

from hcc_scope.errors import ModelFormatError

__all__ = ["FORBIDDEN", "checked_archive", "read_entries"]

FORBIDDEN = {
    "save": "writes files",
    "from_file": "reads and writes files",
    "rpc_async": "calls other computers",
    "rpc_sync": "calls other computers",
    "rpc_remote": "calls other computers",
    "PythonOp": "runs Python",
    "IgnoredPythonOp": "runs Python",
    "print": "writes to the terminal",
    "Print": "writes to the terminal",
    "_print": "writes to the terminal",
}
"""Operations of TorchScript that reach beyond their tensors, by their last name, and what they do."""
_NAMESPACES = frozenset(
    {"aten", "prim", "quantized", "_quantized", "quantization", "onednn", "mkldnn", "mkldnn_prepacked", "mkl", "sparse"}
)
"""Of the operations that compute. Others (``c10d``, ``symm_mem``, ``inductor``) reach other memory and machines."""
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_BLANK = rb"(?:\s|\\\n|#[^\n]*\n)*"
_OPS = re.compile(rb"\bops\b(?:" + _BLANK + rb"\." + _BLANK + rb"([A-Za-z_][A-Za-z0-9_]*))?")
_DOT = _BLANK + rb"\." + _BLANK
_CLASSES = re.compile(rb"torch" + _DOT + rb"classes" + _DOT + rb"(?!quantized\b)[A-Za-z_][A-Za-z0-9_.]*")
_PLAIN_LOOKUP = re.compile(rb'\bgetattr\(\s*[A-Za-z0-9_.]+\s*,\s*"[A-Za-z0-9_ .:/+-]*"\s*\)')
"""How torch writes an attribute whose name is no word, as ``getattr(self, "0")``: without escapes, in one piece."""
_LOOKUP = re.compile(rb"\bgetattr\b")
_OTHER_DEVICE = re.compile(rb"\bdevice\(\"(?!cpu\b)([a-z]+)")
_SAVE = "torch.jit.trace(network.eval(), torch.zeros(1, 1, TILE_PX, TILE_PX)).save('model.pt')"
"""How a model becomes a file that every engine here takes."""
_NEEDED = re.compile(r"(data|constants)\.pkl|version|\.data/version|byteorder|(data|constants|tensors|code)/.*")
"""What torch runs; the rest (debug information, examples, extra files) is left out."""
_MOST_ENTRIES = 100_000
_MOST_WORDS = 160
"""The messages of zip may quote the bytes that they fail on."""
_LARGER = 4
"""Torch does not compress, but a repacked archive may be: up to so many times ..."""
_SPARE_BYTES = 64 << 20
"""... and so much more."""
_ITEM_BYTES = {
    **dict.fromkeys(("ByteStorage", "CharStorage", "BoolStorage", "QInt8Storage", "QUInt8Storage"), 1),
    **dict.fromkeys(("ShortStorage", "HalfStorage", "BFloat16Storage"), 2),
    **dict.fromkeys(("IntStorage", "FloatStorage", "QInt32Storage"), 4),
    **dict.fromkeys(("LongStorage", "DoubleStorage", "ComplexFloatStorage"), 8),
}
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,  # also a name that is no text
    NotImplementedError,  # an unknown compression
    RuntimeError,  # an encrypted entry
    OSError,  # an offset before the beginning
    struct.error,
    OverflowError,
)
"""What reading a strange zip raises."""


def read_entries(data: bytes, what: str, *, spare_bytes: int = _SPARE_BYTES) -> dict[str, bytes]:
    """Return the entries of a zip by name, each compared with its checksum.

    Parameters
    ----------
    data : bytes
        The zip.
    what : str
        What a message calls it.
    spare_bytes : int
        What all entries together may claim to hold beyond some times the size of `data`.

    Raises
    ------
    ModelFormatError
        If it is no zip, damaged, or claims too much; nothing is unpacked then.
    """
    limit = _LARGER * len(data) + spare_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = file.infolist()
            claimed = sum(member.file_size for member in members)
            if len(members) > _MOST_ENTRIES or claimed > limit:
                raise ModelFormatError(
                    f"{what} has {len(data):,} bytes and unpacks to {claimed:,} in {len(members):,} entries, more than "
                    f"such a file has"
                )
            names = sorted(member.filename for member in members)
            twice = next((name for name, after in itertools.pairwise(names) if name == after), None)
            if twice is not None:
                raise ModelFormatError(f"{what} is damaged: its entry {twice!r} is there twice")
            return {member.filename: file.read(member) for member in members if not member.is_dir()}
    except _UNREADABLE as error:
        reason = (str(error).partition("\n")[0] or type(error).__name__)[:_MOST_WORDS]
        raise ModelFormatError(f"{what} is damaged or no archive: {reason}") from error


def checked_archive(data: bytes, what: str) -> bytes:
    """Return a TorchScript archive with the content of `data`, safe to be given to torch.

    Raises
    ------
    ModelFormatError
        If it is no TorchScript archive, damaged, or its text names an operation that may act.
    """
    try:
        entries = read_entries(data, what)
    except ModelFormatError as error:
        if data.startswith(b"PK"):
            raise
        raise _not_torchscript(what, "it is no archive") from error
    roots = {name.partition("/")[0] for name in entries}
    if len(roots) != 1:
        raise _not_torchscript(what, "its entries are in no common folder")
    root = roots.pop()
    inner = {name[len(root) + 1 :]: content for name, content in entries.items()}
    if "archive_format" in inner:
        raise _not_torchscript(what, "it is a torch.export program")
    if not {"data.pkl", "constants.pkl"} <= inner.keys() or not any(name.startswith("code/") for name in inner):
        raise _not_torchscript(what, "it has no program, only weights or a pickled object")
    kept = {name: content for name, content in sorted(inner.items()) if _NEEDED.fullmatch(name)}
    kept = {name: content for name, content in kept.items() if not name.endswith(".debug_pkl")}
    _refuse_unsafe_text(kept, what)
    for folder in ("data", "constants"):
        _check_storages(kept, folder, what)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as file:
        for name, content in kept.items():
            file.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    return whole.getvalue()


def _unsafe(what: str, operation: str, does: str) -> ModelFormatError:
    """Return the error for a model with an operation that may act."""
    return ModelFormatError(
        f"{what} is refused and was not run: its program has {operation!r}, which {does}",
        hint="If this is only the name of a layer or a variable in a model of your own, rename it and save it again.",
    )


def _refuse_unsafe_text(entries: dict[str, bytes], what: str) -> None:
    """Look for names that may act in every text, as the words that torch's own reader would see.

    Also in texts and comments: a model that speaks of such a thing is refused as well, which costs a rename, and a
    word that another reader would take for a comment cannot get through.
    """
    for name, content in entries.items():
        found = _CLASSES.search(content)
        if found is not None and not name.startswith(("data/", "constants/", "tensors/")):
            raise _unsafe(what, found[0].decode("ascii", "replace"), "reaches beyond its tensors")
        if not name.startswith("code/"):
            continue
        for word in set(_WORD.findall(content)):
            if does := FORBIDDEN.get(word.decode()):
                raise _unsafe(what, word.decode(), does)
        if _LOOKUP.search(_without_plain_lookups(content)):
            raise _unsafe(what, "getattr", "looks up a name that its text does not show")
        if found := _OTHER_DEVICE.search(content):
            raise ModelFormatError(
                f"{what} has the device {found[1].decode()!r} written into its program, and runs nowhere else",
                hint=f"Save it from the processor: {_SAVE.replace('network', 'network.cpu()')}.",
            )
        for namespace in set(_OPS.findall(content)):  # empty: all of them under another name
            if namespace.decode() not in _NAMESPACES:
                raise _unsafe(what, f"ops.{namespace.decode()}", "reaches beyond its tensors")


def _without_plain_lookups(text: bytes) -> bytes:
    """Return a program without the lookups whose name is written out plainly, the inner ones first.

    ``getattr(torch, "sa" "ve")`` is none of these, nor is one with an escape.
    """
    n = 1
    while n:
        text, n = _PLAIN_LOOKUP.subn(b"_", text)
    return text


def _check_storages(entries: dict[str, bytes], folder: str, what: str) -> None:
    """Refuse tensors that claim more bytes than there are: torch reads on beyond them.

    The pickle is gone through operation by operation, and nothing of it is made.
    """
    simple: list[object] = []  # names, texts and numbers, in the order in which they are put on the stack
    memo: dict[object, object] = {}
    try:
        pickletools.dis(entries[f"{folder}.pkl"], out=io.StringIO())  # whether its stack and memo fit together
        for operation, argument, _ in pickletools.genops(entries[f"{folder}.pkl"]):
            if operation.name in ("BINGET", "LONG_BINGET"):
                simple.append(memo.get(argument))
            elif operation.name in ("BINPUT", "LONG_BINPUT"):
                memo[argument] = simple[-1] if simple else None
            elif operation.name == "BINPERSID":
                kind, key, _device, numel = simple[-4:]
                size = _ITEM_BYTES.get(str(kind).rpartition(" ")[2])
                there = len(entries[f"{folder}/{key}"])
                if size is not None and int(str(numel)) * size > there:
                    raise ModelFormatError(
                        f"{what} is damaged: its entry {folder}/{key} has {there:,} bytes, not {numel} x {size}"
                    )
            elif argument is not None and operation.name != "PROTO":
                simple.append(argument)
    except (ValueError, KeyError, IndexError, EOFError, struct.error, OverflowError) as error:
        reason = (str(error).partition("\n")[0] or type(error).__name__)[:_MOST_WORDS]
        raise ModelFormatError(f"{what} is damaged: its {folder}.pkl does not fit together ({reason})") from error


def _not_torchscript(what: str, why: str) -> ModelFormatError:
    return ModelFormatError(f"{what} is not a TorchScript model ({why})", hint=f"Save it with {_SAVE}.")
