"""The rule file as tables: every key, what it holds and what it is for. Validation and JSON Schema both read them."""

from __future__ import annotations

from scrapeguard.core.catalogue import Catalogue, Purpose
from scrapeguard.core.decision import Action
from scrapeguard.core.forwarded import ForwardedField
from scrapeguard.core.policy import Addresses
from scrapeguard.core.rules import Rule
from scrapeguard.rulefile.faults import (
    address_fault,
    contact_fault,
    cookie_fault,
    name_fault,
    store_fault,
    url_fault,
)
from scrapeguard.rulefile.kinds import (
    Field,
    Integer,
    ListOf,
    MapOf,
    Networks,
    OneOrMore,
    Placed,
    Problems,
    Record,
    Schema,
    Text,
    Word,
    written,
)
from scrapeguard.rulefile.order import check_order
from scrapeguard.rulefile.sharing import SHARING
from scrapeguard.rulefile.tree import Node, Sequence
from scrapeguard.rulefile.values import (
    ACTION,
    AGE,
    HEADER_NAME,
    HOST,
    HOST_PATTERN,
    METHOD,
    MODE,
    PATH,
    SCORE,
    SIGNAL,
    SIZE,
    SWITCH,
    UPSTREAM,
    WEIGHT,
)
from scrapeguard.rulefile.when import When


class Rules:
    """An ordered list of rules. Each list is checked as it was written, before it is joined with others.

    Values are pairs of where a rule stands and the rule; each is read once, however many sites share it.
    """

    def __init__(self, when: When) -> None:
        self._rule = Record(
            {
                "name": Field(Text("a name", name_fault), "what the log and `explain` call it", required=True),
                "when": Field(when, "what must hold of a request; several conditions must all hold", required=True),
                "action": Field(ACTION, "what then happens", required=True),
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
        self.inherited = frozenset(site)
        """The keys that a site has from the whole file where it says nothing itself."""
        self.site = Record(site | _OWN_FIELDS_OF_A_SITE)
        self.document = Record(
            {
                "version": Field(Integer(1, 1), "the version of the format, 1", required=True),
                "extends": Field(Text("`default`, or the path of a rule file"), "the rule file to start from"),
                **site,
                "sites": Field(MapOf(HOST, self.site, HOST_PATTERN), "policies for single hosts"),
                **_FILE_FIELDS,
            },
            {"upstream": "; it belongs to a host under `sites`, and that of all others is `--upstream`"},
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
        "mode": Field(MODE, "whether decisions take effect, or are only written down"),
        "sharing": Field(SHARING, "what AI may do here"),
        "agents": Field(MapOf(_agent_words(catalogue), ACTION), "exceptions by agent, operator or purpose"),
        "rules": Field(Rules(when), "the first rule that matches decides"),
        "signals": Field(MapOf(SIGNAL, WEIGHT), "what each sign weighs"),
        "trust": Field(_TRUST, "clients that are not scored, by what they bring or where they come from"),
        "thresholds": Field(MapOf(SCORE, ACTION, "^[0-9]+$"), "from this score on, this action"),
        "opt-out": Field(_OPT_OUT, "the signals that say no beside robots.txt, as `sharing` says"),
        "refusal": Field(_refusal(), "the page that a refused client gets"),
    }


_REQUEST = Record(
    {
        "user-agent": Field(Text("a User-Agent"), "its User-Agent"),
        "path": Field(PATH, "its path and query"),
        "method": Field(METHOD, "its method"),
        "host": Field(HOST, "its host"),
        "ip": Field(Text("an address", address_fault), "its client's address"),
        "headers": Field(MapOf(HEADER_NAME, Text("a value"), "^[!-9;-~]+$"), "its other headers"),
    }
)
_TEST = Record(
    {
        "request": Field(_REQUEST, "the request", required=True),
        "expect": Field(ACTION, "what it must get", required=True),
    }
)
_EVENTS = Record(
    {
        "log": Field(Placed(Text("stderr, logging, off, or the path of a file")), "where events go"),
        "addresses": Field(
            Word({str(form): form for form in Addresses}, "a form of addresses"),
            "how much of a client's address they hold",
        ),
    }
)
_TRAPS = Record(
    {
        "live": Field(SWITCH, "whether there are traps: robots.txt refuses their path to all, and who comes is noted"),
        "inject": Field(SWITCH, "put a link to one into each HTML page, where no person sees it"),
    }
)
_LOOK = {
    "locale": Field(Word({"en_US": "en_US", "de_DE": "de_DE"}, "a locale"), "their language"),
    "corpus": Field(Placed(Text("the path of a folder")), "texts of your own that lend them words and topics"),
    "template": Field(
        Placed(Text("`learn`, or the path of an HTML file")), "the page around them; `learn` takes one of the site"
    ),
}
_DECOYS = Record(
    {
        "serve": Field(SWITCH, "whether those who have shown that they do not obey get decoys in place of a refusal"),
        "tarpit": Field(SWITCH, "send them drop by drop"),
        "replace": Field(
            Integer(1, 100), "per cent of your own paths that are answered falsely; the others as they are"
        ),
        "host": Field(HOST, "the name of the site in them, where `sites` has none"),
        **_LOOK,
        "links": Field(Integer(1, 50), "links on a page"),
        "depth": Field(Integer(1, 4), "folders and names in the address of a page that these lead to"),
        "never": Field(OneOrMore(PATH), "paths at which there are none, such as those of feeds and of an API"),
        "cpu": Field(Integer(1, 100), "per cent of a core that all decoys may take"),
        "rate": Field(Integer(1000, 10**9), "octets a second that all decoys may take"),
        "connections": Field(Integer(1, 100_000), "connections that tarpits may hold"),
        "per-client": Field(Integer(1, 1000), "those of one client"),
        "log": Field(Placed(Text("the path of a file")), "where is written what was served to whom"),
        "log-age": Field(Placed(AGE), "how long it is kept there, 730d where nothing is said"),
        "log-size": Field(
            Placed(SIZE), "how large that file becomes before the oldest goes, 512MB where nothing is said"
        ),
    }
)
_TRUST = Record(
    {
        "cookie": Field(OneOrMore(Text("the name of a cookie", cookie_fault)), "names of cookies, such as a session's"),
        "header": Field(
            MapOf(HEADER_NAME, OneOrMore(Text("a value, `*` for any")), "^[!-9;-~]+$", least=1),
            "headers and their values; `*` for any run of characters",
        ),
        "network": Field(OneOrMore(Networks()), "networks of clients"),
    }
)
_OPT_OUT = Record(
    {
        "content-usage": Field(SWITCH, "IETF AIPREF: a header, and a line in each group of robots.txt"),
        "content-signal": Field(SWITCH, "Content Signals: a line in each group of robots.txt"),
        "tdm": Field(SWITCH, "W3C TDM reservation: a header, and /.well-known/tdmrep.json"),
        "tdm-policy": Field(Text("a URL", url_fault), "where your terms for text and data mining stand"),
        "noai": Field(SWITCH, "X-Robots-Tag: noai, noimageai"),
        "rsl": Field(SWITCH, "RSL: a licence at /license.xml, a Link to it, and a line in robots.txt"),
        "rsl-license": Field(Text("a URL", url_fault), "where your own RSL licence stands, in place of ours"),
        "tighten": Field(SWITCH, "where the app says something else itself, send the stricter of the two"),
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
        "dns": Field(SWITCH, "ask reverse DNS, beside the requests"),
        "refresh": Field(SWITCH, "fetch the address lists that operators publish anew each day"),
        "folder": Field(Placed(Text("the path of a folder")), "where these lists are kept"),
    }
)
# What only a site may say.
_OWN_FIELDS_OF_A_SITE = {
    "upstream": Field(UPSTREAM, "where `scrapeguard proxy` finds the site; elsewhere it says nothing"),
    "decoys": Field(Record(_LOOK), "how its decoys look, where it is not as all do"),
}
# What only the whole file may say.
_FILE_FIELDS = {
    "proxies": Field(_PROXIES, "the proxies in front of scrapeguard"),
    "verification": Field(_VERIFICATION, "how it is checked that agents are who they say they are"),
    "traps": Field(_TRAPS, "addresses that nobody comes to who reads pages or obeys robots.txt"),
    "decoys": Field(_DECOYS, "generated pages for those who have shown that they do not obey"),
    "store": Field(
        Placed(Text("a store", store_fault)), "where workers exchange what they know: memory, sqlite:FILE or valkey://"
    ),
    "secret": Field(Placed(Text("the path of a file")), "the secret that traps and passes are made with"),
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
