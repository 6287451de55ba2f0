"""A sanitizer for Triton kernels on a CPU: Triton's interpreter, made right and made watchful.

    from kb.sanitizer import sanitized

    with sanitized() as watched:
        my_kernel[grid](…)
    print(*watched.findings, sep="\\n")

Three things, each usable alone, in a process that began with TRITON_INTERPRET=1:

- `install()` repairs the interpreter: bfloat16, float8 and tf32 round as a GPU rounds, every autotune configuration
  runs, and what is not covered raises (`repair.py`);
- `sanitized()` reports accesses outside the tensors of a launch, races between its programs, signed 32-bit overflow and
  failed device assertions, each with the line of the kernel and the element, and counts bytes and operations
  (`watch.py`, `launch.py`, `memory.py`, `order.py`);
- `poisoned()` makes outputs begin as NaN between guard bands (`allocations.py`), `reversed_grid()` runs programs last
  to first, `end_of_grid()` only the last ones of a launch too large to run.
"""

from kb.sanitizer.allocations import Allocations, poisoned
from kb.sanitizer.finding import Finding, Rule
from kb.sanitizer.repair import end_of_grid, install, is_active, reversed_grid
from kb.sanitizer.watch import Watched, sanitized

__all__ = [
    "Allocations",
    "Finding",
    "Rule",
    "Watched",
    "end_of_grid",
    "install",
    "is_active",
    "poisoned",
    "reversed_grid",
    "sanitized",
]
