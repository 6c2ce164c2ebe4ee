"""The rule file as tables: every key, what it holds and what it is for. Validation and JSON Schema both read them."""

from __future__ import annotations

from typing import Any, ClassVar

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
    ScoreAtLeast,
)
from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.forwarded import ForwardedField
from scrapeguard.core.glob import Glob, PathPattern, path_fault
from scrapeguard.core.identity import Identity
from scrapeguard.core.rules import Rule
from scrapeguard.core.signals import SIGNALS
from scrapeguard.rulefile.faults import (
    address_fault,
    contact_fault,
    header_fault,
    host_fault,
    method_fault,
    name_fault,
    url_fault,
)
from scrapeguard.rulefile.kinds import (
    Field,
    Integer,
    Kind,
    ListOf,
    MapOf,
    Networks,
    OneOrMore,
    Placed,
    Problems,
    Record,
    Schema,
    Switch,
    Text,
    Word,
    written,
)
from scrapeguard.rulefile.order import check_order
from scrapeguard.rulefile.tree import Mapping, Node, Sequence

_HOST_PATTERN = "^[^/@ ]+$"
_HOST = Text("a host name such as example.org or *.example.org", host_fault, _HOST_PATTERN)
_PERMISSION = Word({"allow": True, "deny": False}, "a permission")
_ACTION = Word({str(action): action for action in Action}, "an action")
_MODE = Word({str(mode): mode for mode in Mode}, "a mode")
_METHOD = Text("a method such as GET", method_fault, "^[A-Za-z-]+$")
_PATH = Text("a path that begins with /, as in robots.txt", path_fault, "^/")
_HEADER_NAME = Text("a header name", header_fault)
_SIGNAL = Word({name: name for name in SIGNALS}, "a signal")
_WEIGHT = Integer(0, 1000)
_SCORE = Integer(1, 100_000)


_SWITCH = Switch()
_USES = {
    "train": Field(_PERMISSION, "training of models"),
    "ai-use": Field(_PERMISSION, "answers built on the pages"),
    "search": Field(_PERMISSION, "search engines"),
}


class SharingOfPath:
    """What is said of the pages under a path: a word for all that AI does, or a mapping that says more."""

    _words: ClassVar[dict[str, dict[str, bool]]] = {
        "allow": {"train": True, "ai-use": True},
        "deny": {"train": False, "ai-use": False},
        "private": {"private": True},
    }
    _word = Word(_words, "a mapping or one word")
    _record = Record(
        {
            **_USES,
            "private": Field(_SWITCH, "refuse all AI, also agents that `agents` lets in"),
            "noindex": Field(_SWITCH, "ask search engines to leave the pages out of their results"),
        }
    )

    def read(self, node: Node, problems: Problems) -> dict[str, bool] | None:
        if not isinstance(node, Mapping):
            return self._word.read(node, problems)
        if not node.entries:
            problems.add(node.place, "expected allow, deny, private, or a mapping that says something, found nothing")
            return None
        values = self._record.read(node, problems)
        opened = [key for key in ("train", "ai-use") if values and values.get("private") and values.get(key)]
        if opened:
            problems.add(
                node.entries[opened[0]].place, f"`private` refuses all AI; `{opened[0]}: allow` contradicts it"
            )
        return values

    def schema(self) -> Schema:
        return {"anyOf": [self._word.schema(), self._record.schema()]}


class PathsShared:
    """What is said of paths, by their patterns, of which no two may mean the same."""

    _map = MapOf(_PATH, SharingOfPath(), "^/")

    def read(self, node: Node, problems: Problems) -> dict[str, dict[str, bool]] | None:
        read = self._map.read(node, problems)
        first: dict[Glob, str] = {}
        for text in read or ():
            other = first.setdefault(PathPattern(text).glob, text)
            if other != text and isinstance(node, Mapping):
                problems.add(node.entries[text].place, f"`{text}` means the same as `{other}`; keep one")
        return read

    def schema(self) -> Schema:
        return self._map.schema()


_SHARING = Record(
    {
        **_USES,
        "paths": Field(PathsShared(), "what is said of single paths; the longest pattern that matches counts"),
    }
)


class HeaderConditions:
    """Header names, each with the values that hold; `*` is any run of characters."""

    _map = MapOf(_HEADER_NAME, OneOrMore(Text("a value, `*` for any")), "^[!-9;-~]+$", least=1)

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
            "path": (OneOrMore(_PATH), lambda v: PathIs(tuple(map(PathPattern, v)))),
            "method": (OneOrMore(_METHOD), lambda v: MethodIs(frozenset(map(str.upper, v)))),
            "host": (OneOrMore(_HOST), lambda v: HostIs(tuple(map(str.lower, v)))),
            "header": (HeaderConditions(), lambda v: v),
            "agent": (OneOrMore(agents), lambda v: AgentIs(frozenset(v))),
            "purpose": (OneOrMore(purposes), lambda v: PurposeIs(frozenset(v))),
            "operator": (OneOrMore(operators), lambda v: OperatorIs(frozenset(v))),
            "identity": (OneOrMore(identities), lambda v: IdentityIs(frozenset(v))),
            "network": (OneOrMore(Networks()), lambda v: InNetwork(frozenset(n for group in v for n in group))),
            "signal": (OneOrMore(_SIGNAL), lambda v: HasSignal(frozenset(v))),
            "score": (_SCORE, ScoreAtLeast),
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
    "any": "one of these conditions holds",
    "all": "all of these conditions hold",
    "not": "this condition does not hold",
}


class Rules:
    """An ordered list of rules. Each list is checked as it was written, before it is joined with others.

    Values are pairs of where a rule stands and the rule; each is read once, however many sites share it.
    """

    def __init__(self, when: When) -> None:
        self._rule = Record(
            {
                "name": Field(Text("a name", name_fault), "what the log and `explain` call it", required=True),
                "when": Field(when, "what must hold of a request; several conditions must all hold", required=True),
                "action": Field(_ACTION, "what then happens", required=True),
            }
        )
        self._read: dict[int, tuple[tuple[Node, ...], list[Rule | None]]] = {}

    def read(self, node: Node, problems: Problems) -> tuple[Rule, ...] | None:
        if not isinstance(node, Sequence):
            problems.add(node.place, f"expected a list, found {written(node)}")
            return None
        parts = node.parts or (node.items,)
        return tuple(rule for part in parts for rule in self._read_part(part, problems) if rule is not None)

    def _read_part(self, part: tuple[Node, ...], problems: Problems) -> list[Rule | None]:
        known = self._read.get(id(part))
        if known is None:
            values = [(item.place, self._rule.read(item, problems)) for item in part]
            rules = [Rule(v["name"], v["when"], v["action"]) if v and len(v) == 3 else None for _, v in values]
            check_order([(place, rule) for (place, _), rule in zip(values, rules, strict=True) if rule], problems)
            # The part is held too, so that its id stays its own.
            known = self._read[id(part)] = (part, rules)
        return known[1]

    def schema(self) -> Schema:
        return {"type": "array", "items": self._rule.schema()}


class RuleFile:
    """The tables for one catalogue: `document` is the whole file, `site` the part that a site may override."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.when = When(catalogue)
        site = _site_fields(catalogue, self.when)
        self.site = Record(site)
        self.document = Record(
            {
                "version": Field(Integer(1, 1), "the version of the format, 1", required=True),
                "extends": Field(Text("`default`, or the path of a rule file"), "the rule file to start from"),
                **site,
                "sites": Field(MapOf(_HOST, self.site, _HOST_PATTERN), "policies for single hosts"),
                **_FILE_FIELDS,
            }
        )

    def json_schema(self) -> Schema:
        """The file as JSON Schema, for editors."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "scrapeguard rule file",
            **self.document.schema(),
            "$defs": {"when": self.when.definition()},
        }


def _site_fields(catalogue: Catalogue, when: When) -> dict[str, Field]:
    """What may be said for the whole file and for a site."""
    return {
        "mode": Field(_MODE, "whether decisions take effect, or are only written down"),
        "sharing": Field(_SHARING, "what AI may do here"),
        "agents": Field(MapOf(_agent_words(catalogue), _ACTION), "exceptions by agent, operator or purpose"),
        "rules": Field(Rules(when), "the first rule that matches decides"),
        "signals": Field(MapOf(_SIGNAL, _WEIGHT), "what each sign weighs"),
        "thresholds": Field(MapOf(_SCORE, _ACTION, "^[0-9]+$"), "from this score on, this action"),
        "opt-out": Field(_OPT_OUT, "the signals that say no beside robots.txt, as `sharing` says"),
        "refusal": Field(_refusal(), "the page that a refused client gets"),
    }


_REQUEST = Record(
    {
        "user-agent": Field(Text("a User-Agent"), "its User-Agent"),
        "path": Field(_PATH, "its path and query"),
        "method": Field(_METHOD, "its method"),
        "host": Field(_HOST, "its host"),
        "ip": Field(Text("an address", address_fault), "its client's address"),
        "headers": Field(MapOf(_HEADER_NAME, Text("a value"), "^[!-9;-~]+$"), "its other headers"),
    }
)
_TEST = Record(
    {
        "request": Field(_REQUEST, "the request", required=True),
        "expect": Field(_ACTION, "what it must get", required=True),
    }
)
_EVENTS = Record({"log": Field(Placed(Text("stderr, logging, off, or the path of a file")), "where events go")})
_OPT_OUT = Record(
    {
        "content-usage": Field(_SWITCH, "IETF AIPREF: a header, and a line in each group of robots.txt"),
        "content-signal": Field(_SWITCH, "Content Signals: a line in each group of robots.txt"),
        "tdm": Field(_SWITCH, "W3C TDM reservation: a header, and /.well-known/tdmrep.json"),
        "tdm-policy": Field(Text("a URL", url_fault), "where your terms for text and data mining stand"),
        "noai": Field(_SWITCH, "X-Robots-Tag: noai, noimageai"),
        "rsl": Field(_SWITCH, "RSL: a licence at /license.xml, a Link to it, and a line in robots.txt"),
        "rsl-license": Field(Text("a URL", url_fault), "where your own RSL licence stands, in place of ours"),
        "tighten": Field(_SWITCH, "where the app says something else itself, send the stricter of the two"),
    }
)
_PROXIES = Record(
    {
        "trusted": Field(ListOf(Networks()), "networks of your own proxies, whose word about a client is taken"),
        "header": Field(Word({str(name): name for name in ForwardedField}, "a field"), "the field that they write"),
    }
)
_VERIFICATION = Record(
    {
        "dns": Field(_SWITCH, "ask reverse DNS, beside the requests"),
        "refresh": Field(_SWITCH, "fetch the address lists that operators publish anew each day"),
        "folder": Field(Placed(Text("the path of a folder")), "where these lists are kept"),
    }
)
# What only the whole file may say.
_FILE_FIELDS = {
    "proxies": Field(_PROXIES, "the proxies in front of scrapeguard"),
    "verification": Field(_VERIFICATION, "how it is checked that agents are who they say they are"),
    "events": Field(_EVENTS, "what is written down"),
    "on_error": Field(
        Word({"allow": Action.ALLOW, "block": Action.BLOCK}, "allow or block"),
        "what happens to a request for which scrapeguard itself fails",
    ),
    "tests": Field(ListOf(Placed(_TEST)), "requests and what they must get; `scrapeguard check` runs them"),
}


def _agent_words(catalogue: Catalogue) -> Word[tuple[str, str]]:
    """What may stand under `agents`.

    A word that is both an operator and an agent means the operator; the agent alone is then `Diffbot (agent)`.
    """
    words = {agent.name: ("name", agent.name) for agent in catalogue.agents}
    taken = {name.lower(): name for name in words}
    for operator in catalogue.operators:
        if name := taken.get(operator.lower()):
            words[f"{name} (agent)"] = words.pop(name)
        words[operator] = ("operator", operator)
    words.update({str(purpose): ("purpose", str(purpose)) for purpose in Purpose})
    return Word(words, "an agent, operator or purpose of the catalogue")


def _refusal() -> Record:
    return Record(
        {
            "title": Field(Text("a title"), "its title"),
            "text": Field(Text("a text"), "its text"),
            "contact": Field(Text("an e-mail address or a URL", contact_fault), "where people can complain"),
            "template": Field(
                Placed(Text("the path of an HTML file")), "an HTML page of your own, beside the rule file"
            ),
        }
    )
