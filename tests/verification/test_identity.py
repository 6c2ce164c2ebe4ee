from __future__ import annotations

import asyncio
import socket
import threading
from ipaddress import ip_address, ip_network
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
import yaml

from scrapeguard.app import ScrapeGuard
from scrapeguard.asgi.background import Background
from scrapeguard.core.address import NETWORK_WORDS
from scrapeguard.core.catalogue import Agent, Catalogue, Purpose, Verification
from scrapeguard.core.decision import Action
from scrapeguard.core.forwarded import Proxies
from scrapeguard.core.identity import Identity
from scrapeguard.core.policy import Policy, SitePolicy, Threshold
from scrapeguard.core.request import Request
from scrapeguard.core.sharing import Use
from scrapeguard.core.useragent import Claim, UserAgentClassifier
from scrapeguard.guard import Guard
from scrapeguard.verification import reversedns
from scrapeguard.verification.lists import STALE, PublishedList, PublishedLists
from scrapeguard.verification.reversedns import REMEMBERED, ReverseDns, confirm
from scrapeguard.verification.system_dns import SystemDns
from scrapeguard.verification.verifier import AddressVerifier

DNS = yaml.safe_load((Path(__file__).parents[1] / "corpora" / "reverse_dns.yaml").read_text(encoding="utf-8"))
PATTERNS = tuple(DNS["patterns"])
NOW = 1_800_000_000.0


class FakeDns:
    """A DNS of a few names; None stands for a name server that does not answer."""

    def __init__(self, names, forward):
        self._names = names
        self._forward = forward
        self.asked = 0

    async def names(self, address):
        self.asked += 1
        if self._names is None:
            raise OSError("no name server")
        return self._names

    async def addresses(self, name):
        if self._forward is None:
            raise OSError("no name server")
        return self._forward.get(name, [])


class SilentDns:
    async def names(self, address):
        await asyncio.Event().wait()

    addresses = names


class BrokenDns:
    async def names(self, address):
        raise ZeroDivisionError

    addresses = names


@pytest.mark.parametrize("case", DNS["cases"], ids=lambda case: case["name"])
def test_a_name_is_confirmed_by_what_it_leads_to(case):
    resolver = FakeDns(case["names"], case["forward"])
    assert asyncio.run(confirm(ip_address(case["address"]), PATTERNS, resolver)) is case["is"]


def test_nobody_is_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(reversedns, "LIMIT", 0.01)
    assert asyncio.run(confirm(ip_address("192.0.2.1"), PATTERNS, SilentDns())) is None


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


ONE, TWO = ip_address("192.0.2.1"), ip_address("192.0.2.2")
GOOD = {"crawl-1.bot.example": ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("names", "confirmed"), [(["crawl-1.bot.example"], True), (["evil.test"], False), (None, None)]
)
def test_an_answer_is_remembered_for_its_time(names, confirmed):
    clock, resolver = Clock(), FakeDns(names, GOOD)
    checked = ReverseDns(resolver, monotonic=clock)
    assert checked.known(ONE, PATTERNS) == (False, None)
    assert checked.is_asked
    asyncio.run(checked.run_once())
    assert checked.known(ONE, PATTERNS) == (True, confirmed)
    assert not checked.is_asked
    clock.now = REMEMBERED[confirmed] - 1
    assert checked.known(ONE, PATTERNS) == (True, confirmed)
    clock.now = REMEMBERED[confirmed]
    # What was known counts until there is something newer.
    assert checked.known(ONE, PATTERNS) == (True, confirmed)
    assert checked.is_asked
    asyncio.run(checked.run_once())
    assert resolver.asked == 2


def test_questions_are_bounded(monkeypatch):
    monkeypatch.setattr(reversedns, "_MAX_WAITING", 3)
    checked = ReverseDns(FakeDns([], {}), monotonic=Clock())
    for number in range(5):
        checked.known(ip_address(number), PATTERNS)
    checked.known(ip_address(0), PATTERNS)
    assert checked.dropped == 2
    asyncio.run(checked.run_once())
    assert not checked.is_asked


def test_a_question_wakes_who_waits_for_it():
    checked = ReverseDns(FakeDns(["crawl-1.bot.example"], GOOD), monotonic=Clock())

    async def run():
        beside = Background([checked])
        beside.start()
        await asyncio.sleep(0)
        checked.known(ONE, PATTERNS)
        while not checked.known(ONE, PATTERNS)[0]:
            await asyncio.sleep(0)
        checked.known(TWO, PATTERNS)
        while not checked.known(TWO, PATTERNS)[0]:
            await asyncio.sleep(0)
        await beside.stop()

    asyncio.run(run())
    assert checked.known(ONE, PATTERNS) == (True, True)
    assert checked.known(TWO, PATTERNS) == (True, False)


def test_an_error_of_the_resolver_is_no_answer(caplog):
    checked = ReverseDns(BrokenDns(), monotonic=Clock())
    checked.known(ONE, PATTERNS)
    asyncio.run(checked.run_once())
    assert checked.known(ONE, PATTERNS) == (True, None)
    assert "could not be asked for" in caplog.text


# What follows for an identity.

LISTED = Agent("Listed", Purpose.SEARCH_ENGINE, "Alpha", token="Listed", match=("Listed",), verify=Verification(("u",)))
NAMED = Agent(
    "Named", Purpose.SEARCH_ENGINE, "Beta", token="Named", match=("Named",), verify=Verification((), PATTERNS)
)
BOTH = Agent("Both", Purpose.TRAINING, "Beta", token="Both", match=("Both",), verify=Verification(("u",), PATTERNS))
BARE = Agent("Bare", Purpose.TRAINING, "Gamma", token="Bare", match=("Bare",))
CATALOGUE = Catalogue([LISTED, NAMED, BOTH, BARE])
LIST = PublishedList("u", NOW, (ip_network("8.8.8.0/24"),))
INSIDE, OUTSIDE = "8.8.8.8", "9.9.9.9"


class Known:
    """A reverse DNS that knows already."""

    def __init__(self, answered, confirmed):
        self.answer = (answered, confirmed)

    def known(self, address, patterns):
        return self.answer


YES, NO, SILENT, PENDING = Known(True, True), Known(True, False), Known(True, None), Known(False, None)


@pytest.mark.parametrize(
    ("agent", "client", "dns", "age", "identity"),
    [
        (LISTED, INSIDE, None, 0, "verified"),
        (LISTED, OUTSIDE, None, 0, "spoofed"),
        (LISTED, INSIDE, None, STALE + 1, "verified"),
        (LISTED, OUTSIDE, None, STALE + 1, "claimed"),
        (NAMED, OUTSIDE, YES, 0, "verified"),
        (NAMED, OUTSIDE, NO, 0, "spoofed"),
        (NAMED, OUTSIDE, SILENT, 0, "claimed"),
        (NAMED, OUTSIDE, PENDING, 0, "claimed"),
        (NAMED, OUTSIDE, None, 0, "claimed"),
        (BOTH, INSIDE, NO, 0, "verified"),
        (BOTH, OUTSIDE, YES, 0, "verified"),
        (BOTH, OUTSIDE, PENDING, 0, "claimed"),
        (BOTH, OUTSIDE, SILENT, 0, "claimed"),
        (BOTH, OUTSIDE, None, 0, "claimed"),
        (BOTH, OUTSIDE, NO, 0, "spoofed"),
        (BOTH, OUTSIDE, NO, STALE + 1, "spoofed"),
        (BOTH, OUTSIDE, SILENT, STALE + 1, "claimed"),
        (BARE, OUTSIDE, NO, 0, "claimed"),
        # A private address may be that of a proxy that nobody told us of.
        (LISTED, "10.0.0.1", None, 0, "claimed"),
        (NAMED, "127.0.0.1", NO, 0, "claimed"),
        (NAMED, "127.0.0.1", YES, 0, "verified"),
        (NAMED, None, NO, 0, "claimed"),
        (NAMED, "unknown", NO, 0, "claimed"),
    ],
)
def test_only_a_clear_no_makes_a_liar(agent, client, dns, age, identity):
    verifier = AddressVerifier(PublishedLists([LIST]), dns=dns, clock=lambda: NOW + age)
    claim = Claim(agent.purpose, agent.name, (agent,))
    assert verifier.identity(claim, client) is Identity(identity)


@pytest.mark.parametrize(
    ("agent", "client", "dns", "method"),
    [
        (LISTED, INSIDE, None, "list"),
        (LISTED, OUTSIDE, None, "list"),
        (NAMED, INSIDE, YES, "dns"),
        (NAMED, OUTSIDE, NO, "dns"),
        (BOTH, INSIDE, NO, "list"),
        (BOTH, OUTSIDE, NO, "dns"),
        (BOTH, OUTSIDE, SILENT, ""),
        (LISTED, "10.0.0.1", None, ""),
        (BARE, INSIDE, YES, ""),
    ],
)
def test_it_is_told_what_settled_an_identity(agent, client, dns, method):
    verifier = AddressVerifier(PublishedLists([LIST]), dns=dns, clock=lambda: NOW)
    claim = Claim(agent.purpose, agent.name, (agent,))
    assert verifier.method(claim, client) == method
    assert (verifier.identity(claim, client) in (Identity.VERIFIED, Identity.SPOOFED)) is bool(method)


def test_of_whom_is_decoyed_by_name_it_is_known_too():
    guard = guard_of(by_name={"Listed": Action.DECOY})
    for client, settled in (
        (INSIDE, (Identity.VERIFIED, "list")),
        (OUTSIDE, (Identity.SPOOFED, "list")),
        (None, (Identity.CLAIMED, "")),
    ):
        request = Request.of("/", user_agent="Listed/1.0", peer=client)
        decision = guard.assess(request)
        assert (decision.agent.identity, guard.settled(request, decision)) == (Identity.CLAIMED, settled)
    alone = Guard(guard.policy, classifier=UserAgentClassifier(CATALOGUE))
    assert alone.settled(request, decision) == (Identity.CLAIMED, "")


def test_who_names_several_agents_may_be_a_phone_that_fetches_a_preview():
    verifier = AddressVerifier(PublishedLists([LIST]), dns=NO, clock=lambda: NOW)
    assert verifier.identity(Claim(LISTED.purpose, "Listed", (LISTED, BARE)), OUTSIDE) is Identity.CLAIMED
    assert verifier.identity(Claim(LISTED.purpose, "Listed", (LISTED, BARE)), INSIDE) is Identity.VERIFIED


PROXIES = Proxies(NETWORK_WORDS["loopback"])


@pytest.mark.parametrize(
    ("proxies", "peer", "headers", "refused"),
    [
        (None, OUTSIDE, {}, True),
        (None, OUTSIDE, {"x-forwarded-for": INSIDE}, False),
        (None, OUTSIDE, {"via": "1.1 cdn"}, False),
        (None, OUTSIDE, {"cf-connecting-ip": INSIDE}, False),
        (PROXIES, OUTSIDE, {}, True),
        (PROXIES, OUTSIDE, {"x-forwarded-for": INSIDE}, False),
        (PROXIES, "127.0.0.1", {"x-forwarded-for": OUTSIDE}, True),
        (PROXIES, "127.0.0.1", {"x-forwarded-for": OUTSIDE, "via": "1.1 nginx"}, True),
        # The walk ended at a proxy of a network that nobody named.
        (PROXIES, "127.0.0.1", {"x-forwarded-for": f"{INSIDE}, {OUTSIDE}"}, False),
        (PROXIES, "127.0.0.1", {"x-forwarded-for": OUTSIDE, "cf-connecting-ip": INSIDE}, False),
    ],
)
def test_behind_a_proxy_that_nobody_named_there_are_no_liars(proxies, peer, headers, refused):
    guard = guard_of(proxies=proxies)
    decision = guard.assess(Request.of("/", user_agent="Listed/1.0", peer=peer, headers=headers))
    assert decision.action.refuses is refused


def test_who_names_nobody_has_no_identity():
    verifier = AddressVerifier(PublishedLists(), dns=NO, clock=lambda: NOW)
    assert verifier.identity(Claim(Purpose.BROWSER), INSIDE) is Identity.NONE
    assert verifier.identity(Claim(Purpose.OTHER_BOT, "StrangeBot"), INSIDE) is Identity.CLAIMED


SHARED = {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}


def guard_of(proxies=None, dns=None, **more):
    site = SitePolicy(SHARED, thresholds=(Threshold(100, Action.BLOCK),), **more)
    verifier = AddressVerifier(PublishedLists([LIST]), dns=dns, clock=lambda: NOW)
    return Guard(Policy(site, CATALOGUE, proxies=proxies), classifier=UserAgentClassifier(CATALOGUE), verifier=verifier)


def test_a_liar_is_refused_and_the_decision_says_why():
    guard = guard_of()
    honest = guard.assess(Request.of("/", user_agent="Listed/1.0", peer=INSIDE))
    assert (honest.action, honest.agent.identity) == (Action.ALLOW, Identity.VERIFIED)
    lying = guard.assess(Request.of("/", user_agent="Listed/1.0", peer=OUTSIDE))
    assert (lying.action, lying.rule, lying.agent.identity) == (Action.BLOCK, "thresholds.100", Identity.SPOOFED)
    assert lying.reasons[-1].signal == "spoofed-identity"
    assert lying.reasons[-1].evidence == "calls itself Listed; its address is none of Alpha's"


@pytest.mark.parametrize("more", [{"by_name": {"Both": Action.ALLOW}}, {"by_operator": {"Beta": Action.OBSERVE}}])
def test_what_an_agent_may_do_is_not_for_those_who_borrow_its_name(more):
    guard = guard_of(dns=NO, **more)
    assert not guard.assess(Request.of("/", user_agent="Both/1.0", peer=INSIDE)).action.refuses
    assert guard.assess(Request.of("/", user_agent="Both/1.0", peer=OUTSIDE)).rule == "thresholds.100"


def test_what_an_agent_may_not_do_is_not_for_liars_either():
    guard = guard_of()
    assert guard.assess(Request.of("/", user_agent="Both/1.0", peer=OUTSIDE)).rule == "agents.training"


# The real thing.


class NameServer:
    """A name server on UDP that knows a few names, and keeps silent about `silent.example`."""

    def __init__(self, records):
        self.records = records
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                data, client = self.socket.recvfrom(4096)
            except OSError:
                return
            question = dns.message.from_wire(data)
            (asked,) = question.question
            name, kind = asked.name.to_text().lower(), dns.rdatatype.to_text(asked.rdtype)
            if "silent" in name:
                continue
            answer = dns.message.make_response(question)
            found = self.records.get((name, kind))
            if found:
                answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *found))
            elif not any(known == name for known, _ in self.records):
                answer.set_rcode(3)
            self.socket.sendto(answer.to_wire(), client)


@pytest.fixture
def name_server():
    server = NameServer(
        {
            ("7.2.0.192.in-addr.arpa.", "PTR"): ["Crawl-7.bot.example."],
            ("8.2.0.192.in-addr.arpa.", "PTR"): ["crawl-7.bot.example."],
            ("crawl-7.bot.example.", "A"): ["192.0.2.7"],
        }
    )
    yield server
    server.socket.close()


@pytest.mark.parametrize(("address", "is_one"), [("192.0.2.7", True), ("192.0.2.8", False), ("192.0.2.9", False)])
def test_a_real_name_server_is_asked(name_server, address, is_one):
    resolver = SystemDns(["127.0.0.1"], name_server.port)
    assert asyncio.run(confirm(ip_address(address), PATTERNS, resolver)) is is_one


def test_a_name_server_that_keeps_silent_is_no_answer(name_server):
    resolver = SystemDns(["127.0.0.1"], name_server.port)
    with pytest.raises(OSError, match="DNS"):
        asyncio.run(resolver.addresses("silent.example"))


def test_no_request_waits_for_a_name_server(catalogue, default_policy, monkeypatch):
    monkeypatch.setattr("scrapeguard.verifying.SystemDns", SilentDns)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(guarded):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [(b"user-agent", b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")],
            "client": ("203.0.113.9", 1),
        }
        await guarded(scope, None, send)
        return sent[0]["status"], scope["scrapeguard"].agent.identity

    async def run():
        guarded = ScrapeGuard(app, default_policy, record=None)
        answers = []
        for _ in range(3):
            # A request that waited would not come back before the name server does, which is never.
            answers.append(await ask(guarded))
            await asyncio.sleep(0)
        return answers

    assert asyncio.run(run()) == [(200, Identity.CLAIMED)] * 3
