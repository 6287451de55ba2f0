"""What a kernel's file says of it besides its code: reference, inputs, sizes, costs. Everything else follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from kb.kernels.inputs import Maker

HALF = ("float16", "bfloat16")
DTYPES = ("float32", *HALF)


@dataclass(frozen=True)
class Case:
    """One problem: named sizes, and options such as `causal`."""

    sizes: Mapping[str, Any]
    note: str = ""
    """What is special about it: `odd sizes`, `one row`, `large values`."""

    def __getitem__(self, name: str) -> Any:
        return self.sizes[name]

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.sizes.items())


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a kernel may use of an H100's or H200's SM (sm_90) at its tuned size; more is a regression."""

    registers: int
    shared_bytes: int
    spills: int = 0


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A kernel's contract. Proofs, compile report, page and benchmark are made from it.

    `run` takes a case and the tensors of `inputs`, and gives one tensor or a tuple; `reference` does the same in
    plain PyTorch and any dtype: in float64 it is the truth, in the kernel's dtype it is the rival.
    """

    run: Callable[..., Any]
    reference: Callable[..., Any]
    inputs: Callable[[Case, Maker], tuple[torch.Tensor, ...]]
    """Tensors in float32, made with the maker; floats are cast to the dtype under test."""
    cases: tuple[Case, ...]
    """Small ones, for the interpreter: odd sizes, sizes of 1, extreme values."""
    tuned: Case
    """The size that is compiled for every architecture and timed."""
    tuned_dtype: str = "bfloat16"
    differentiable: tuple[int, ...] = ()
    """Indices of the inputs that have gradients."""
    dtypes: tuple[str, ...] = DTYPES
    bytes_moved: Callable[[Case, int], int]
    """Bytes that a forward run reads and writes at best (each once), by case and bytes an element."""
    backward_bytes: Callable[[Case, int], int] | None = None
    """The same of the backward run, cotangents included, where there are gradients."""
    flops: Callable[[Case], int]
    """Floating-point operations of a forward run: one for each sum, product, quotient, comparison or elementary
    function of an element, and one for each element of a reduction. Casts, masks and addresses are free."""
    bound: str
    """`memory` or `compute`: which roof it is under at its tuned size."""
    goal: float
    """The share of that roof that it should reach on an H200."""
    budget: Budget
    teaches: str = ""
    """What a reader learns from it, in a sentence."""
    rather_torch: str = ""
    """When PyTorch's own is the better choice, and why, in a sentence or two."""
    exercises: tuple[str, ...] = ()
    """What a reader could change next, each with something to observe."""
    huge: Case | tuple[Case, ...] = ()
    """Problems whose offsets pass 2³¹ elements, by one stride or another: their last programs run on a CPU, in memory
    that is only reserved."""
    timed: tuple[Case, ...] = ()
    """Further sizes for the benchmark and the roofline, besides the tuned one."""
    sources: tuple[str, ...] = ()
    """Citekeys."""
