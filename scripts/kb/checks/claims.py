"""Rules about claims: stated once, tested once, and written so that numbers can be filled in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from kb import forged, scan
from kb.checks.references import passages
from kb.evidence.verdicts import Evidence, Standing
from kb.model import Claim, Device, Location, Trial
from kb.problems import Problem, Rule, did_you_mean, in_words
from kb.typeset import WIDEST, is_too_wide, number

_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)


def stated_twice(evidence: Evidence) -> Iterator[Problem]:
    """A claim is stated once, and tried once."""
    stated: dict[str, list[Location]] = defaultdict(list)
    for claim in evidence.base.claims:
        stated[claim.id].append(claim.at)
    tried: dict[str, list[Location]] = defaultdict(list)
    for trial in _trials(evidence):
        tried[trial.claim].append(trial.at)
    for verb, places in (("stated", stated), ("tested", tried)):
        for name, (first, *others) in places.items():
            for at in others:
                message = f"claim '{name}' is {verb} twice, first in {first.path}:{first.line}"
                hint = "place it here with `/// claim | …`" if verb == "stated" else "keep one of the two"
                yield Problem(at, Rule.CLAIM, message, hint)


def untested(evidence: Evidence) -> Iterator[Problem]:
    """A claim that no notebook tests is an opinion."""
    for standing in evidence.standings.values():
        claim = standing.claim
        if standing.trial is None:
            hint = f'call claim("{claim.id}", test=…, on=…, control=…) in a notebook'
            yield Problem(claim.at, Rule.CLAIM, f"no notebook tests claim '{claim.id}'", hint)
        elif standing.notebook and not _can_run(claim, standing.notebook.devices):
            message = f"claim '{claim.id}' is for {claim.device}, but {standing.notebook.path} runs on "
            yield Problem(claim.at, Rule.CLAIM, message + in_words(standing.notebook.devices))


def unstated(evidence: Evidence) -> Iterator[Problem]:
    """What a notebook tests is stated on a page."""
    for trial in _trials(evidence):
        if not trial.claim:
            yield Problem(trial.at, Rule.CLAIM, "the first argument of claim(…) is the claim's name, in quotes")
        elif trial.claim not in evidence.names.claims:
            hint = did_you_mean(trial.claim, evidence.names.claims) or "state it under `claims:` of the page it is on"
            yield Problem(trial.at, Rule.CLAIM, f"no page states claim '{trial.claim}'", hint)


def badly_written(evidence: Evidence) -> Iterator[Problem]:
    """A statement's braces hold the name of a quantity and a format, and nothing else."""
    for claim in evidence.base.claims:
        for quantity, conversion, _ in scan.placeholders(claim.says):
            if conversion or not _NAME.fullmatch(quantity):
                message = f"claim '{claim.id}': {{{quantity}{conversion}}} is no name of a quantity"
                hint = "write {name} or {name:.1%}; braces that are meant as such are doubled"
                yield Problem(claim.at, Rule.CLAIM, message, hint)


def placed_blocks(evidence: Evidence) -> Iterator[Problem]:
    """`/// claim | id` names a claim."""
    for p in passages(evidence.base):
        for mention in scan.claim_blocks(p.text, p.line):
            if mention.target not in evidence.names.claims:
                at = Location(p.path, mention.line)
                hint = did_you_mean(mention.target, evidence.names.claims)
                yield Problem(at, Rule.CLAIM, f"no page states claim '{mention.target}'", hint)


def unmeasured_quantities(evidence: Evidence) -> Iterator[Problem]:
    """Every number that a page takes from a run is in that run's receipt."""
    for standing in evidence.standings.values():
        for quantity, _, spec in scan.placeholders(standing.claim.says):
            if _NAME.fullmatch(quantity):
                yield from _check_quantity(standing, standing.claim.at, quantity, spec)
    for p in passages(evidence.base):
        for mention, quantity, spec in scan.measured(p.text, p.line):
            yield from _check_role(evidence, Location(p.path, mention.line), mention.target, quantity, spec)


def forged_signs(evidence: Evidence) -> Iterator[Problem]:
    """Only a run puts a badge, a receipt or a measured number on a page."""
    for written in forged.texts(evidence.base):
        for line, name in forged.signs(written.text):
            message = f"'{name}' is a sign of evidence, which only the engine may put on a page"
            hint = "place a claim with `/// claim | …` or a number with {measured}`…`; the page leaves this sign out"
            yield Problem(Location(written.path, written.line + line), Rule.FORGED, message, hint)


def _check_role(evidence: Evidence, at: Location, claim: str, quantity: str, spec: str) -> Iterator[Problem]:
    if standing := evidence.standings.get(claim):
        yield from _check_quantity(standing, at, quantity, spec)
    else:
        hint = did_you_mean(claim, evidence.standings)
        yield Problem(at, Rule.MEASURED, f"no page states claim '{claim}'", hint)


def _check_quantity(standing: Standing, at: Location, quantity: str, spec: str) -> Iterator[Problem]:
    claim, measured = standing.claim, standing.measured
    if is_too_wide(spec):
        message = f"the format of {claim.id}.{quantity} has a width or precision over {WIDEST}"
        yield Problem(at, Rule.MEASURED, message, "write one of two digits at most, such as .2f or 10d")
    elif not measured:  # there is no result yet, or none to be trusted
        if standing.trial and quantity not in standing.trial.names:
            yield _no_quantity(at, claim, quantity, standing.trial.names)
    elif quantity not in measured:
        yield _no_quantity(at, claim, quantity, measured)
    else:
        try:
            number(measured[quantity], spec)
        except (OverflowError, ValueError):
            message = f"{claim.id}.{quantity} is {measured[quantity]!r}, which cannot be written as '{spec}'"
            yield Problem(at, Rule.MEASURED, message, "a format such as .1%, .3g or ,")


def _no_quantity(at: Location, claim: Claim, quantity: str, known: object) -> Problem:
    names = sorted(str(name) for name in known) if hasattr(known, "__iter__") else []
    hint = did_you_mean(quantity, names) or (f"it measures {in_words(names, 'and')}" if names else "")
    return Problem(at, Rule.MEASURED, f"no receipt of '{claim.id}' has a quantity '{quantity}'", hint)


def _can_run(claim: Claim, devices: tuple[Device, ...]) -> bool:
    return claim.device is Device.ANY or claim.device in devices


def _trials(evidence: Evidence) -> Iterator[Trial]:
    return (trial for notebook in evidence.base.notebooks for trial in notebook.trials)
