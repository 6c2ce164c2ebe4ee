"""What is said of one path, everywhere a crawler could look: the part of `scrapeguard check` behind `--path`."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from scrapeguard.cli.loading import count
from scrapeguard.cli.output import paint, printable
from scrapeguard.core.catalogue import Agent, Purpose
from scrapeguard.core.decision import Mode
from scrapeguard.core.engine import decide
from scrapeguard.core.facts import Facts, identity_of
from scrapeguard.core.optout import (
    Place,
    license_url,
    origin_of,
    response_headers,
    said_in_groups,
    statements,
    tdm_reservation,
)
from scrapeguard.core.policy import Policy
from scrapeguard.core.request import Request, canonical_target
from scrapeguard.core.robots import claim_of, groups, written
from scrapeguard.core.robotsfile import parse
from scrapeguard.core.robotsmatch import is_allowed
from scrapeguard.core.robotsmerge import merge
from scrapeguard.core.rsl import usage_tokens


class Said(NamedTuple):
    """All that is said of a path.

    `refused` and `allowed` count agents by purpose, as the policy decides on requests of theirs. `told` counts those of
    the refused that robots.txt keeps away, of `with_token` that it can speak to. `pattern` is what of `sharing` counts.
    """

    path: str
    host: str
    mode: Mode
    pattern: str
    refused: Counter[Purpose]
    allowed: Counter[Purpose]
    with_token: int
    told: int
    headers: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str], ...]
    reserved: bool
    license: str
    permitted: str
    prohibited: str

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            **self._asdict(),
            "mode": str(self.mode),
            "refused": {str(purpose): number for purpose, number in self.refused.items()},
            "allowed": {str(purpose): number for purpose, number in self.allowed.items()},
        }


def said_of(policy: Policy, path: str, host: str) -> Said:
    """What the policy says of a path to everyone."""
    request = Request.of(path, host=host)
    site = policy.site(host)
    said = site.by_path.find(canonical_target(request.path, request.query))
    place = Place(site, origin_of("https", host), said)
    robots = parse(merge(parse(b""), groups(site, policy.catalogue, host), statements(place)).encode())
    refused: list[Agent] = []
    allowed: list[Agent] = []
    for agent in policy.catalogue.agents:
        claim = claim_of(agent)
        decision = decide(policy, Facts(request, claim, identity_of(claim)))
        (refused if decision.action.refuses else allowed).append(agent)
    tokens = [agent.token for agent in refused if agent.token]
    target = written(canonical_target(request.path)) + (f"?{request.query}" if request.query else "")
    return Said(
        path=path,
        host=host,
        mode=site.mode,
        pattern="/" if said is None else said.pattern.text,
        refused=Counter(agent.purpose for agent in refused),
        allowed=Counter(agent.purpose for agent in allowed),
        with_token=len(tokens),
        told=sum(not is_allowed(robots, token, target) for token in tokens),
        headers=tuple((name.decode(), value.decode()) for name, value in response_headers(place)),
        lines=tuple(said_in_groups(place)),
        reserved=tdm_reservation(site) is not None and place.denies_ai,
        license=license_url(place),
        permitted=usage_tokens(place.sharing, allowed=True),
        prohibited=usage_tokens(place.sharing, allowed=False),
    )


def print_said(said: Said) -> None:
    """The same for people."""
    where = printable(said.path) + (f" at {printable(said.host)}" if said.host else "")
    print(f"what is said of {paint(where, 'bold')}")
    if said.mode is Mode.OBSERVE:
        print("  but the mode is `observe`: none of it is said yet")
    print(f"  sharing      by what is said of {printable(said.pattern)}")
    print(f"  refused      {_counts(said.refused) or 'nobody'}")
    print(f"  allowed      {_counts(said.allowed) or 'nobody'}")
    told = f"{said.told} of {count(said.with_token, 'refused agent')} that it can speak to"
    print(f"  robots.txt   keeps away {told}")
    for name, value in said.lines:
        print(f"  {'':<12} says in each group, for this path, {name}: {value}")
    for number, (name, value) in enumerate(said.headers):
        print(f"  {'headers' if number == 0 else '':<12} {name}: {value}")
    print(f"  tdmrep.json  {'reserves' if said.reserved else 'does not reserve'} text and data mining")
    if said.license:
        permitted = f"permits {said.permitted}" if said.permitted else "permits nothing"
        print(f"  licence      {said.license}: {permitted}; prohibits {said.prohibited or 'nothing'}")
    elif said.prohibited:
        print("  licence      none: RSL is off, or no --host is given and the rule file names no licence")


def _counts(numbers: Counter[Purpose]) -> str:
    return ", ".join(f"{number} {purpose}" for purpose, number in sorted(numbers.items()))
