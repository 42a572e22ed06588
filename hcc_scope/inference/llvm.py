"""Compile a kernel for this processor, and the only place where llvmlite is imported.

What is compiled is LLVM's own textual language, written by `hcc_scope.inference.stem`; the machine code is made in
memory, for the processor at hand, in about a tenth of a second. Nothing is downloaded, cached or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CompiledKernels", "compile_kernels", "vector_floats"]

_NO_256_BIT_BIAS = "-prefer-256-bit"
"""Compilers avoid 512-bit vectors for fear of a lower clock; a kernel that does nothing else is faster with them."""


def vector_floats() -> int:
    """Return how many float32 a vector register of this processor holds.

    Raises
    ------
    ModelError
        If llvmlite is not installed, or the processor has no fused multiply-add: it would be emulated, slowly.
    """
    llvm = _import_llvm()
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    if features.get("avx2") and features.get("fma"):
        return 8
    if features.get("neon"):
        return 4
    raise ModelError("this processor has no vector instructions with fused multiply-add")


@dataclass(frozen=True, slots=True)
class CompiledKernels:
    """Machine code; lives as long as this object."""

    _engine: Any

    def function(self, name: str, prototype: Callable[[int], Any]) -> Any:  # noqa: ANN401 - a ctypes function
        """Return a function by its name; `prototype` is a ``ctypes.CFUNCTYPE``, so that calls release the GIL."""
        return prototype(self._engine.get_function_address(name))


def compile_kernels(text: str) -> CompiledKernels:
    """Compile LLVM's textual language for this processor.

    Raises
    ------
    ModelError
        If llvmlite is not installed, or cannot make code for this processor.
    """
    llvm = _import_llvm()
    try:
        module = llvm.parse_assembly(text)
        module.verify()
        features = f"{llvm.get_host_cpu_features().flatten()},{_NO_256_BIT_BIAS}"
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features if "avx512" in features else "", opt=3
        )
        passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
        passes.getModulePassManager().run(module, passes)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
    except RuntimeError as error:
        raise ModelError(f"no kernel can be compiled for this processor: {error}") from error
    return CompiledKernels(engine)


def _import_llvm() -> Any:  # noqa: ANN401 - it is not installed everywhere, and has no types
    try:
        from llvmlite import binding
    except (ImportError, OSError) as error:
        raise ModelError(f"llvmlite is not installed or does not load ({error})") from error
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding
