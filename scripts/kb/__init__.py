"""Receipts: an engine for knowledge bases whose claims can be checked. Notebooks need one name of it, `claim`."""

from kb.evidence.claim import claim

__all__ = ["claim"]
