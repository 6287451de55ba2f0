"""Who is timed: ours, PyTorch, `torch.compile`, and the libraries that happen to be installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kb.kernels.bench.plan import Group
from kb.kernels.spec import Case, Spec

Run = Callable[..., Any]
"""Takes the tensors of `Spec.inputs`; gives one tensor or a tuple."""
OURS = "ours"
EAGER = "torch"
COMPILED = "torch.compile"
MOST_OPERATIONS = 500
"""Operations of a reference that `torch.compile` is asked to trace: it unrolls loops, and a long one takes it minutes."""


class NotOffered(Exception):
    """Why a provider cannot be timed here."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One implementation, still to be made for a case."""

    name: str
    make: Callable[[Case], Run]


@dataclass(frozen=True, slots=True)
class Peer:
    """Another implementation of a kernel of the catalogue: `make` is given its module and the case.

    Entered here only where its interface is known; its outputs are checked like ours, as many as it has.
    """

    name: str
    module: str
    make: Callable[[Any, Case], Run]


def _liger(module: str, function: str, *options: Any) -> Callable[..., Peer]:
    """A function of Liger-Kernel that takes our inputs, then what the case says, then fixed options."""

    def peer(*from_case: str) -> Peer:
        def make(found: Any, case: Case) -> Run:
            rest = [case[name] for name in from_case]
            return lambda *tensors: getattr(found, function).apply(*tensors, *rest, *options)

        return Peer("Liger", f"liger_kernel.ops.{module}", make)

    return peer


def _attention(functional: Any, case: Case) -> Run:
    """PyTorch's own attention, without the log-sum-exp that the reference computes besides."""
    causal = case["causal"]
    return lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=causal)


_ROUNDS_ONCE = (0.0, "gemma", False)
"""Liger's RMSNorm as PyTorch's: nothing added to the weight, float32 within, no gradient written over another tensor."""
PEERS: dict[str, tuple[Peer, ...]] = {
    "kernels/attention/flash_forward.py": (Peer("torch SDPA", "torch.nn.functional", _attention),),
    "kernels/elementwise/swiglu.py": (_liger("swiglu", "LigerSiLUMulFunction")(),),
    "kernels/norms/add_rms_norm.py": (
        _liger("fused_add_rms_norm", "LigerFusedAddRMSNormFunction", *_ROUNDS_ONCE)("eps"),
    ),
    "kernels/norms/layer_norm.py": (_liger("layer_norm", "LigerLayerNormFunction")("eps"),),
    "kernels/norms/layer_norm_backward.py": (_liger("layer_norm", "LigerLayerNormFunction")("eps"),),
    "kernels/norms/rms_norm.py": (_liger("rms_norm", "LigerRMSNormFunction", *_ROUNDS_ONCE)("eps"),),
    "kernels/reductions/online_softmax.py": (_liger("softmax", "LigerSoftmaxFunction")(),),
    "kernels/reductions/softmax.py": (_liger("softmax", "LigerSoftmaxFunction")(),),
}
"""By kernel, who else does the same."""


def offered(path: str, spec: Spec, group: Group) -> Iterator[Provider]:
    """The providers of a kernel that this machine has."""
    if group is Group.OURS:
        yield Provider(OURS, lambda case: lambda *tensors: spec.run(case, *tensors))
        yield Provider(EAGER, lambda case: lambda *tensors: spec.reference(case, *tensors))
        return
    yield Provider(COMPILED, lambda case: _Compiled(spec, case))
    for peer in PEERS.get(path, ()):
        if _is_installed(peer.module):
            yield Provider(peer.name, lambda case, peer=peer: peer.make(import_module(peer.module), case))  # type: ignore[misc]


def _is_installed(module: str) -> bool:
    return find_spec(module.partition(".")[0]) is not None


class _Compiled:
    """The reference, compiled at its first call, for these shapes only."""

    def __init__(self, spec: Spec, case: Case) -> None:
        torch._dynamo.reset()  # every case is a recompilation to it, and after eight it gives up without a word
        torch._functorch.config.donated_buffer = False  # a backward is run many times on one forward
        self._plain: Run = lambda *tensors: spec.reference(case, *tensors)
        self._compiled: Run | None = None

    def __call__(self, *tensors: torch.Tensor) -> Any:
        if self._compiled is None:
            if (many := _operations(self._plain, tensors)) > MOST_OPERATIONS:
                raise NotOffered(f"the reference is {many} operations long, which it would unroll")
            self._compiled = torch.compile(self._plain, dynamic=False)
        return self._compiled(*tensors)


class _Counter(TorchDispatchMode):  # type: ignore[misc]
    """Counts the operations that run inside."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def _operations(run: Run, tensors: Sequence[torch.Tensor]) -> int:
    with torch.no_grad(), _Counter() as counter:
        run(*tensors)
    return int(counter.count)
