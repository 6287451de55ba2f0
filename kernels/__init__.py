"""Triton kernels, one a file. On a machine without a GPU they run in Triton's interpreter, repaired."""

from kb.sanitizer import install

install()
