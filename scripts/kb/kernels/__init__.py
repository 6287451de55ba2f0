"""The engine of the kernel catalogue: contracts, proofs on a CPU, compile reports for every GPU."""

from kb.kernels.spec import Budget, Case, Spec

__all__ = ["Budget", "Case", "Spec"]
