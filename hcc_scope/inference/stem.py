"""The first stage of a network in one pass: counts - mean -> 3 x 3 convolution -> ReLU -> 2 x 2 max-pooling.

Why a kernel of our own: with a single input channel a convolution does nine multiply-adds for each number that it
writes. The usual order (convert, subtract, convolve to 16 maps of 512 x 512, write 16 MB, read them again, pool) waits
for memory, and matrix units have nothing to multiply. Here a row is converted once, four rows stay in the first-level
cache, and only the pooled maps are written: half the time (docs/decisions/0010-stem-and-workers.md).

Same bits everywhere: each output is one chain of fused multiply-adds, bias first, then the nine taps row by row; the
width of the vectors changes how many chains run side by side, not what each of them does. The mean is exact (a sum of
integers); its whole part is subtracted first, without rounding, so that a constant added to all counts changes no bit.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hcc_scope.inference.llvm import compile_kernels, vector_floats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hcc_scope.inference.llvm import CompiledKernels

__all__ = ["Stem", "StemOutput"]

StemOutput = Literal["float32", "bfloat16"]

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int64
_SUM = ctypes.CFUNCTYPE(_INT, _POINTER, _INT, _INT)
_FLOAT = ctypes.c_float
_STEM = ctypes.CFUNCTYPE(None, _POINTER, _INT, _INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER, _FLOAT, _FLOAT)
_BORDER_PX = 1
_ALIGN = 16
"""Rows of the scratch start at multiples of this many floats: one line of the cache."""


@dataclass(frozen=True, slots=True)
class _Kernels:
    code: CompiledKernels
    """Kept: the functions are machine code that it owns."""
    total: Any
    stem: Any


class Stem:
    """The first stage, ready to run on one thread: it owns its scratch.

    Parameters
    ----------
    weights : ndarray
        (maps, 1, 3, 3) float32; whatever scales the stretched counts is part of them.
    bias : ndarray
        (maps,) float32.
    tile_px : int
        Side of a tile; a multiple of 4.
    output : {"float32", "bfloat16"}
        bfloat16 is rounded to nearest, ties to even.

    Raises
    ------
    ModelError
        If this processor cannot run it; see `hcc_scope.inference.llvm.vector_floats`.
    ValueError
        If the number of maps is no multiple of the vector's width, or the tile's side none of 4.
    """

    def __init__(
        self, weights: NDArray[np.float32], bias: NDArray[np.float32], tile_px: int, output: StemOutput
    ) -> None:
        n_maps = len(weights)
        width = vector_floats()
        if weights.shape != (n_maps, 1, 3, 3) or bias.shape != (n_maps,) or n_maps % width or tile_px % 4:
            raise ValueError(f"no stem for weights {weights.shape}, bias {bias.shape}, tiles of {tile_px} px")
        self._kernels = _compiled(n_maps, width, output)
        self._tile_px = tile_px
        self._taps = np.ascontiguousarray(weights.reshape(n_maps, 9).T, np.float32)  # (9, maps)
        self._bias = np.ascontiguousarray(bias, np.float32)
        pitch = -(-(tile_px + 2 * _BORDER_PX) // _ALIGN) * _ALIGN
        self._rows = np.zeros((4, pitch), np.float32)
        side = tile_px // 2
        self.output: NDArray[Any] = np.zeros((1, side, side, n_maps), np.float32 if output == "float32" else np.uint16)
        """(1, tile / 2, tile / 2, maps); bfloat16 as its bits in uint16. Rewritten by every call."""

    def run(self, tile: NDArray[np.uint16]) -> None:
        """Compute `output` for a tile (tile, tile); its rows may lie anywhere, its columns side by side."""
        if tile.shape != (self._tile_px, self._tile_px):
            raise ValueError(f"expected a tile of ({self._tile_px}, {self._tile_px}), not {tile.shape}")
        if tile.dtype != np.uint16 or tile.strides[1] != tile.itemsize or tile.strides[0] % tile.itemsize:
            tile = np.ascontiguousarray(tile, np.uint16)
        stride = tile.strides[0] // tile.itemsize
        address = tile.ctypes.data
        whole, rest = divmod(self._kernels.total(address, stride, self._tile_px), self._tile_px**2)
        self._rows[3] = 0.0  # the row above the first one; the columns beside a row are never written
        self._kernels.stem(
            address,
            stride,
            self._tile_px,
            self._taps.ctypes.data,
            self._bias.ctypes.data,
            self._rows.ctypes.data,
            self._rows.shape[1],
            self.output.ctypes.data,
            whole,
            rest / self._tile_px**2,
        )


@cache
def _compiled(n_maps: int, width: int, output: StemOutput) -> _Kernels:
    # 8 to 16 chains of multiply-adds side by side hide their latency, and fit the 16 or 32 registers
    code = compile_kernels("\n".join(_module(n_maps, width, 1 if width == 8 else 2, output)))
    return _Kernels(code, code.function("total", _SUM), code.function("stem", _STEM))


_HELPERS = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

; the sum of a tile's counts, exactly: a row of up to 65536 of them fits 32 bits
define i64 @total(ptr noalias %tile, i64 %stride, i64 %side) {
entry:
  br label %row
row:
  %y = phi i64 [0, %entry], [%y.next, %row.end]
  %sum = phi i64 [0, %entry], [%sum.next, %row.end]
  %offset = mul i64 %y, %stride
  %start = getelementptr i16, ptr %tile, i64 %offset
  br label %column
column:
  %x = phi i64 [0, %row], [%x.next, %column]
  %row.sum = phi i32 [0, %row], [%row.sum.next, %column]
  %place = getelementptr i16, ptr %start, i64 %x
  %count = load i16, ptr %place
  %wide = zext i16 %count to i32
  %row.sum.next = add i32 %row.sum, %wide
  %x.next = add i64 %x, 1
  %more = icmp ult i64 %x.next, %side
  br i1 %more, label %column, label %row.end
row.end:
  %row.sum.wide = zext i32 %row.sum.next to i64
  %sum.next = add i64 %sum, %row.sum.wide
  %y.next = add i64 %y, 1
  %again = icmp ult i64 %y.next, %side
  br i1 %again, label %row, label %done
done:
  ret i64 %sum.next
}

; one row of counts, less the mean (its whole and its broken part), into the scratch
define internal void @stretch(ptr noalias %counts, ptr noalias %out, i64 %n, float %whole, float %part) {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %from = getelementptr i16, ptr %counts, i64 %i
  %count = load i16, ptr %from
  %value = uitofp i16 %count to float
  %exact = fsub float %value, %whole
  %stretched = fsub float %exact, %part
  %to = getelementptr float, ptr %out, i64 %i
  store float %stretched, ptr %to
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""

_ROWS = """
define void @stem(ptr noalias %tile, i64 %stride, i64 %side, ptr noalias %taps, ptr noalias %bias,
                  ptr noalias %rows, i64 %pitch, ptr noalias %out, float %whole, float %part) {
entry:
  %half = lshr i64 %side, 1
  %first = getelementptr float, ptr %rows, i64 1
  call void @stretch(ptr %tile, ptr %first, i64 %side, float %whole, float %part)
  br label %row
; row y of the tile is kept in row y & 3 of the scratch, one float to the right
row:
  %i = phi i64 [0, %entry], [%i.next, %row.end]
  %y = shl i64 %i, 1
  %y.next = add i64 %y, 1
  %y.last = add i64 %y, 2
  %y.before = add i64 %y, 3
  %slot.0 = and i64 %y.before, 3
  %slot.1 = and i64 %y, 3
  %slot.2 = and i64 %y.next, 3
  %slot.3 = and i64 %y.last, 3
  %at.0 = mul i64 %slot.0, %pitch
  %at.1 = mul i64 %slot.1, %pitch
  %at.2 = mul i64 %slot.2, %pitch
  %at.3 = mul i64 %slot.3, %pitch
  %line.0 = getelementptr float, ptr %rows, i64 %at.0
  %line.1 = getelementptr float, ptr %rows, i64 %at.1
  %line.2 = getelementptr float, ptr %rows, i64 %at.2
  %line.3 = getelementptr float, ptr %rows, i64 %at.3
  %fill.2 = getelementptr float, ptr %line.2, i64 1
  %fill.3 = getelementptr float, ptr %line.3, i64 1
  %from.2 = mul i64 %y.next, %stride
  %counts.2 = getelementptr i16, ptr %tile, i64 %from.2
  call void @stretch(ptr %counts.2, ptr %fill.2, i64 %side, float %whole, float %part)
  %inside = icmp ult i64 %y.last, %side
  br i1 %inside, label %fill, label %beyond
fill:
  %from.3 = mul i64 %y.last, %stride
  %counts.3 = getelementptr i16, ptr %tile, i64 %from.3
  call void @stretch(ptr %counts.3, ptr %fill.3, i64 %side, float %whole, float %part)
  br label %maps
beyond:
  %bytes = shl i64 %side, 2
  call void @llvm.memset.p0.i64(ptr %fill.3, i8 0, i64 %bytes, i1 false)
  br label %maps
maps:
  %out.row = mul i64 %i, %half
  br label %block.0
"""

_ROW_END = """
row.end:
  %i.next = add i64 %i, 1
  %again = icmp ult i64 %i.next, %half
  br i1 %again, label %row, label %done
done:
  ret void
}
"""


def _module(n_maps: int, width: int, abreast: int, output: StemOutput) -> Iterator[str]:
    """Write the kernels in LLVM's language.

    Parameters
    ----------
    n_maps : int
        Output channels; blocks of `width` of them are computed one after another.
    width : int
        Floats in a vector.
    abreast : int
        Pooled columns computed side by side.
    output : {"float32", "bfloat16"}
        What is stored.
    """
    vector = f"<{width} x float>"
    yield f"declare {vector} @llvm.fma.v{width}f32({vector}, {vector}, {vector})"
    yield f"declare {vector} @llvm.maxnum.v{width}f32({vector}, {vector})"
    yield _HELPERS
    yield _ROWS
    n_blocks = n_maps // width
    for block in range(n_blocks):
        yield from _Block(n_maps, width, abreast, output, block, last=block == n_blocks - 1).lines()
    yield _ROW_END


class _Block:
    """The loop over a row of pooled pixels, for `width` of the maps."""

    def __init__(self, n_maps: int, width: int, abreast: int, output: StemOutput, block: int, *, last: bool) -> None:
        self._n_maps, self._width, self._abreast, self._output = n_maps, width, abreast, output
        self._block = block
        self._after = "row.end" if last else f"block.{block + 1}"
        self._vector = f"<{width} x float>"
        self._n_values = 0
        self._lines: list[str] = []

    def lines(self) -> Sequence[str]:
        """Return the block's code; it is entered at ``block.N`` and continues to the next block or ``row.end``."""
        b, first_map = self._block, self._block * self._width
        self._lines = [f"block.{b}:"]
        taps = [self._loaded("%taps", tap * self._n_maps + first_map) for tap in range(9)]
        bias = self._loaded("%bias", first_map)
        self._lines += [f"  br label %loop.{b}", f"loop.{b}:"]
        self._lines.append(f"  %j.{b} = phi i64 [0, %block.{b}], [%j.{b}.next, %loop.{b}]")
        left = self._value(f"shl i64 %j.{b}, 1")
        pixels = {
            (row, column): self._everywhere(row, column, left)
            for row in range(4)
            for column in range(2 * self._abreast + 2)
        }
        # one chain per pixel before pooling; the chains take their steps in turn
        places = [(u, dy, dx) for u in range(self._abreast) for dy in (0, 1) for dx in (0, 1)]
        sums = dict.fromkeys(places, bias)
        for ky in range(3):
            for kx in range(3):
                for u, dy, dx in places:
                    pixel = pixels[dy + ky, 2 * u + dx + kx]
                    sums[u, dy, dx] = self._call("fma", taps[3 * ky + kx], pixel, sums[u, dy, dx])
        for u in range(self._abreast):
            self._store(u, self._pooled([sums[u, dy, dx] for dy in (0, 1) for dx in (0, 1)]))
        self._lines += [
            f"  %j.{b}.next = add i64 %j.{b}, {self._abreast}",
            f"  %more.{b} = icmp ult i64 %j.{b}.next, %half",
            f"  br i1 %more.{b}, label %loop.{b}, label %{self._after}",
        ]
        return self._lines

    def _value(self, expression: str) -> str:
        name = f"%v{self._block}.{self._n_values}"
        self._n_values += 1
        self._lines.append(f"  {name} = {expression}")
        return name

    def _call(self, function: str, *arguments: str) -> str:
        listed = ", ".join(f"{self._vector} {argument}" for argument in arguments)
        return self._value(f"call {self._vector} @llvm.{function}.v{self._width}f32({listed})")

    def _loaded(self, array: str, index: int) -> str:
        place = self._value(f"getelementptr float, ptr {array}, i64 {index}")
        return self._value(f"load {self._vector}, ptr {place}, align 4")

    def _everywhere(self, row: int, column: int, left: str) -> str:
        """Return one pixel of the scratch in every lane of a vector."""
        index = self._value(f"add i64 {left}, {column}")
        place = self._value(f"getelementptr float, ptr %line.{row}, i64 {index}")
        pixel = self._value(f"load float, ptr {place}")
        lane = self._value(f"insertelement {self._vector} poison, float {pixel}, i64 0")
        return self._value(
            f"shufflevector {self._vector} {lane}, {self._vector} poison, <{self._width} x i32> zeroinitializer"
        )

    def _pooled(self, values: Sequence[str]) -> str:
        """Return the largest of four, or 0: ReLU and max-pooling in either order are the same."""
        largest = [self._call("maxnum", *values[:2]), self._call("maxnum", *values[2:])]
        return self._call("maxnum", self._call("maxnum", *largest), "zeroinitializer")

    def _store(self, u: int, value: str) -> None:
        column = self._value(f"add i64 %j.{self._block}, {u}")
        pixel = self._value(f"add i64 {column}, %out.row")
        first = self._value(f"mul i64 {pixel}, {self._n_maps}")
        index = self._value(f"add i64 {first}, {self._block * self._width}")
        element, kind, align = "float", self._vector, 4
        if self._output == "bfloat16":
            element, kind, align = "i16", f"<{self._width} x i16>", 2
            value = self._rounded(value)
        place = self._value(f"getelementptr {element}, ptr %out, i64 {index}")
        self._lines.append(f"  store {kind} {value}, ptr {place}, align {align}")

    def _rounded(self, value: str) -> str:
        """Return the upper halves of the floats' bits, rounded to nearest even by integer arithmetic."""
        bits_kind = f"<{self._width} x i32>"
        sixteen, one, almost_half = (self._constant(n) for n in (16, 1, 0x7FFF))
        bits = self._value(f"bitcast {self._vector} {value} to {bits_kind}")
        upper = self._value(f"lshr {bits_kind} {bits}, {sixteen}")
        odd = self._value(f"and {bits_kind} {upper}, {one}")
        push = self._value(f"add {bits_kind} {odd}, {almost_half}")
        pushed = self._value(f"add {bits_kind} {bits}, {push}")
        rounded = self._value(f"lshr {bits_kind} {pushed}, {sixteen}")
        return self._value(f"trunc {bits_kind} {rounded} to <{self._width} x i16>")

    def _constant(self, number: int) -> str:
        return f"<{', '.join([f'i32 {number}'] * self._width)}>"
