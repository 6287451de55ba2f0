"""What `kb verify` costs beside other ways to run notebooks: `python scripts/benchmarks/verify.py [--quick] [--json FILE]`.

Prints a table with the goals beside what was measured. Takes about twenty minutes; a few with --quick.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import garden, machine, table
from benchmarks.measure import Sizes, measure

QUICK = Sizes(notebooks=100, each=5, rounds=1, starts=3)
FULL = Sizes(notebooks=100, each=14, rounds=3, starts=9)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer notebooks and repetitions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    given = parser.parse_args()
    sizes = QUICK if given.quick else FULL
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        root = Path(folder).resolve()
        names = garden.make(root, sizes.notebooks)
        found = measure(root, names, sizes, say=lambda text: print(text, file=sys.stderr, flush=True))
    print(machine.line(), table.markdown(found), sep="\n\n")
    if given.json:
        given.json.write_text(json.dumps({"machine": machine.facts()} | found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
