"""The picture of a kernel's tiling: what one program of each launch read and wrote, as a run showed it. Pure."""

from __future__ import annotations

from kb.pages.figures_tiling import Launch, tensors
from kb.pages.kernels.known import Known
from kb.typeset import esc


def section(known: Known) -> str:
    """A figure for each recorded launch, with a key."""
    launches = [Launch.of(said) for said in known.pictures]
    drawn = [_figure(launch, several=len(launches) > 1) for launch in launches if launch.tensors]
    return f'{"".join(drawn)}\n\n<p class="caption">{_said(known, launches)}</p>' if drawn else ""


def _said(known: Known, launches: list[Launch]) -> str:
    first = known.errors[0] if known.errors else {}
    run = f"Seen in a run of {esc(first['case'])} in {esc(first['dtype'])}, not drawn by hand." if first else ""
    sampled = any(tensor.is_sampled for launch in launches for tensor in launch.tensors)
    return " ".join(filter(None, [run, "Larger tensors are sampled." if sampled else ""]))


def _figure(launch: Launch, *, several: bool) -> str:
    name = f"<code>{esc(launch.kernel)}</code>: " if several else ""
    shown = launch.shown if several else launch.shown[0].upper() + launch.shown[1:]
    writers = any(len(set(tensor.writers.values())) > 1 for tensor in launch.tensors)
    others = " Each other tint is another program’s work." if writers else ""
    return (
        f'<figure class="tiling">{tensors(launch)}<figcaption>{name}{shown} '
        f'<span class="key read">reads</span> these and <span class="key own">writes</span> these.{others}</figcaption></figure>'
    )
