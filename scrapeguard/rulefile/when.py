"""The conditions of a rule: which there are, and how they are read."""

from __future__ import annotations

from typing import Any

from scrapeguard.core.catalogue import Catalogue, Purpose
from scrapeguard.core.conditions import (
    AgentIs,
    AllOf,
    AnyOf,
    Condition,
    HasSignal,
    HeaderIs,
    HostIs,
    IdentityIs,
    InNetwork,
    MethodIs,
    Negation,
    OperatorIs,
    PathIs,
    PurposeIs,
    RateAbove,
    ScoreAtLeast,
)
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.identity import Identity
from scrapeguard.rulefile.kinds import (
    Field,
    Kind,
    ListOf,
    MapOf,
    Networks,
    OneOrMore,
    Problems,
    Record,
    Schema,
    Text,
    Word,
)
from scrapeguard.rulefile.tree import Mapping, Node
from scrapeguard.rulefile.values import HEADER_NAME, HOST, METHOD, PATH, RATE, SCORE, SIGNAL


class HeaderConditions:
    """Header names, each with the values that hold; `*` is any run of characters."""

    _map = MapOf(HEADER_NAME, OneOrMore(Text("a value, `*` for any")), "^[!-9;-~]+$", least=1)

    def read(self, node: Node, problems: Problems) -> Condition | None:
        read = self._map.read(node, problems)
        if read is None:
            return None
        return AllOf(tuple(HeaderIs(name.lower(), values) for name, values in read.items()))

    def schema(self) -> Schema:
        return self._map.schema()


class When:
    """The condition of a rule: a mapping whose entries must all hold, with `any`, `all` and `not` to combine others."""

    def __init__(self, catalogue: Catalogue) -> None:
        agents = Word({agent.name: agent.name for agent in catalogue.agents}, "an agent of the catalogue")
        operators = Word({name: name for name in catalogue.operators}, "an operator of the catalogue")
        purposes = Word({str(purpose): purpose for purpose in Purpose}, "a purpose")
        identities = Word({str(identity): identity for identity in Identity}, "an identity")
        self._leaves: dict[str, tuple[Kind[Any], Any]] = {
            "path": (OneOrMore(PATH), lambda v: PathIs(tuple(map(PathPattern, v)))),
            "method": (OneOrMore(METHOD), lambda v: MethodIs(frozenset(map(str.upper, v)))),
            "host": (OneOrMore(HOST), lambda v: HostIs(tuple(map(str.lower, v)))),
            "header": (HeaderConditions(), lambda v: v),
            "agent": (OneOrMore(agents), lambda v: AgentIs(frozenset(v))),
            "purpose": (OneOrMore(purposes), lambda v: PurposeIs(frozenset(v))),
            "operator": (OneOrMore(operators), lambda v: OperatorIs(frozenset(v))),
            "identity": (OneOrMore(identities), lambda v: IdentityIs(frozenset(v))),
            "network": (OneOrMore(Networks()), lambda v: InNetwork(frozenset(n for group in v for n in group))),
            "signal": (OneOrMore(SIGNAL), lambda v: HasSignal(frozenset(v))),
            "score": (SCORE, ScoreAtLeast),
            "rate": (RATE, RateAbove),
        }
        nested: dict[str, tuple[Kind[Any], Any]] = {
            "any": (ListOf(self, least=1), AnyOf),
            "all": (ListOf(self, least=1), AllOf),
            "not": (self, Negation),
        }
        self._makers = {**self._leaves, **nested}

    def read(self, node: Node, problems: Problems) -> Condition | None:
        record = Record({key: Field(kind, CONDITIONS[key]) for key, (kind, _) in self._makers.items()})
        values = record.read(node, problems)
        if values is None or not isinstance(node, Mapping) or values.keys() != node.entries.keys():
            return None
        conditions = [self._makers[key][1](value) for key, value in values.items()]
        return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))

    def schema(self) -> Schema:
        return {"$ref": "#/$defs/when"}

    def definition(self) -> Schema:
        """The schema that `schema` refers to, since conditions nest."""
        return Record({key: Field(kind, CONDITIONS[key]) for key, (kind, _) in self._makers.items()}).schema()


CONDITIONS: dict[str, str] = {
    "path": "the path and query, read as in robots.txt: a beginning, `*` for anything, `$` for the end",
    "method": "the method of the request",
    "host": "the host asked for; `*.example.org` for every name below",
    "header": "a header of the request and its value, in any case; `*` for any run of characters",
    "agent": "an agent of the catalogue that the User-Agent names",
    "purpose": "what the client fetches pages for",
    "operator": "who runs the agent that the User-Agent names",
    "identity": "how sure it is that the client is what it says",
    "network": "the network of the client's address",
    "signal": "a sign that was seen",
    "score": "the weights of the signs seen add up to this or more",
    "rate": "the client sends more requests than this, such as 10/s, 100/min or 20/30s",
    "any": "one of these conditions holds",
    "all": "all of these conditions hold",
    "not": "this condition does not hold",
}
