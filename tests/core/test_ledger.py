from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.acts import Act, What
from scrapeguard.core.clients import ClientKey
from scrapeguard.core.groups import MARKS
from scrapeguard.core.history import History
from scrapeguard.core.journal import MAX_BATCH, MAX_WAITING, Journal
from scrapeguard.core.ledger import FULL, MAX_CLICKS, MAX_TOLD, PASS, Deed, Entry, Ledger, Standing, left
from scrapeguard.core.rates import Rates
from scrapeguard.core.tokens import LIFETIME, Tokens
from scrapeguard.core.traps import Traps

BOT = ClientKey("192.0.2.1", b"SomeBot/1.0", None)
OTHER = ClientKey("192.0.2.2", b"SomeBot/1.0", None)
ROBOTS = b"User-agent: *\nDisallow: /search\n\nUser-agent: SomeBot\nDisallow: /private\n"


def signals(found):
    return {evidence.signal: evidence.percent for evidence in found}


def test_who_read_robots_txt_is_held_against_what_it_says_to_it():
    ledger = Ledger()
    assert ledger.is_empty
    assert not ledger.refuses(BOT, "h", "SomeBot", "/private/x", 1.0)
    ledger.served(BOT, "h", "v1", ROBOTS, 0.0)
    assert not ledger.is_empty
    assert ledger.refuses(BOT, "h", "SomeBot", "/private/x", 1.0)
    assert not ledger.refuses(BOT, "h", "SomeBot", "/search", 1.0)
    assert not ledger.refuses(BOT, "other", "SomeBot", "/private/x", 1.0)
    assert not ledger.refuses(OTHER, "h", "SomeBot", "/private/x", 1.0)
    assert not ledger.refuses(BOT, "h", "SomeBot", "/robots.txt", 1.0)


def test_a_version_that_is_known_need_not_be_given_again():
    ledger = Ledger()
    ledger.served(BOT, "h", "v1", ROBOTS, 0.0)
    assert ledger.knows("v1")
    ledger.served(OTHER, "h", "v1", None, 0.0)
    assert ledger.refuses(OTHER, "h", "SomeBot", "/private", 1.0)
    ledger.served(BOT, "h", "v2", None, 1.0)
    assert not ledger.refuses(BOT, "h", "SomeBot", "/private", 1.0)


def test_it_takes_as_many_different_paths_as_are_asked_for():
    ledger = Ledger()
    assert not ledger.broke(BOT, 1, least=3, now=0.0)
    assert not ledger.broke(BOT, 1, least=3, now=0.0)
    assert not ledger.broke(BOT, 2, least=3, now=0.0)
    assert ledger.evidence(BOT, 0.0) == ()
    assert ledger.broke(BOT, 3, least=3, now=0.0)
    assert signals(ledger.evidence(BOT, 0.0)) == {"robots-broken": 100}
    assert not ledger.broke(BOT, 4, least=3, now=1.0)
    assert ledger.broke(BOT, 4, least=3, now=61.0)


def test_a_deed_weighs_less_with_time():
    assert [left(age * FULL) for age in (0, 0.9, 1, 1.9, 2, 2.9, 3, 100)] == [100, 100, 50, 50, 25, 25, 0, 0]
    ledger = Ledger()
    ledger.note(BOT, Deed.FOLLOWED_TRAP, 10.0)
    assert signals(ledger.evidence(BOT, 10.0 + FULL)) == {"trap-followed": 50}
    assert ledger.evidence(BOT, 10.0 + 3 * FULL) == ()
    assert ledger.evidence(OTHER, 10.0) == ()


def test_a_person_who_presses_the_button_begins_anew_a_few_times():
    ledger = Ledger()
    ledger.note(BOT, Deed.GUESSED_TRAP, 0.0)
    assert ledger.standing(BOT, 0.0) is Standing.NOTHING
    for time in range(0, 10 * MAX_CLICKS, 10):
        assert ledger.may_press(BOT, time)
        ledger.note(BOT, Deed.PRESSED_BUTTON, float(time))
        ledger.note(BOT, Deed.PRESSED_BUTTON, time + 0.5)
        assert ledger.evidence(BOT, time) == ()
    last = 10.0 * MAX_CLICKS
    assert not ledger.may_press(BOT, last)
    assert ledger.may_press(BOT, last + PASS)
    assert ledger.standing(BOT, last) is Standing.IS_A_PERSON
    assert ledger.standing(BOT, PASS + last) is Standing.NOTHING
    ledger.note(BOT, Deed.PRESSED_BUTTON, 2 * PASS)
    assert ledger.may_press(BOT, 2 * PASS)


def test_who_loads_a_style_has_shown_that_for_a_while():
    ledger = Ledger()
    ledger.note(BOT, Deed.LOADED_STYLE, 0.0)
    assert ledger.standing(BOT, PASS - 1) is Standing.LOADS_STYLES
    assert ledger.standing(BOT, PASS) is Standing.NOTHING
    assert ledger.evidence(BOT, 0.0) == ()


def test_whoever_gave_a_trap_away_is_accused_for_a_while():
    ledger = Ledger()
    assert not ledger.accuses
    ledger.accuse(b"abcdef", 0.0)
    assert ledger.accuses
    assert ledger.is_accused(b"abcdef", FULL)
    assert not ledger.is_accused(b"abcdef", FULL + 1)
    assert not ledger.is_accused(b"ghijkl", 0.0)


def test_a_crowd_of_strangers_drives_no_offender_out():
    """Strangers get no place in the ledger; and the table of offenders keeps its ceiling."""
    history, ledger = History(size=10), Ledger(size=10)
    ledger.note(BOT, Deed.FOLLOWED_TRAP, 0.0)
    for number in range(1000):
        history.heard(Act(What.PAGE, ClientKey(f"x{number}", b"A", None), "h", number % MARKS), 0.0)
    assert signals(ledger.evidence(BOT, 1.0)) == {"trap-followed": 100}
    for number in range(1000):
        ledger.note(ClientKey(f"x{number}", None, None), Deed.FOLLOWED_TRAP, 0.0)
    assert len(ledger._known) <= 20
    ledger.note(ClientKey("x" * 2000, None, None), Deed.FOLLOWED_TRAP, 0.0)
    assert len(ledger._known) <= 20


def test_traps_follow_from_the_secret_and_say_whom_they_were_handed_to():
    traps, same, other = Traps(b"secret"), Traps(b"secret"), Traps(b"another")
    path = traps.address(b"abcdef")
    assert path == same.address(b"abcdef")
    assert path.startswith(traps.prefix)
    assert traps.prefix.count("/") == 3
    assert traps.handed_to(path) == b"abcdef"
    assert other.handed_to(other.prefix + path.removeprefix(traps.prefix)) is None
    assert len({Traps(bytes([number])).prefix for number in range(50)}) > 40


@given(st.text(max_size=40))
def test_what_was_never_handed_out_is_no_trap_of_anybody(name):
    traps = Traps(b"secret")
    assert traps.handed_to(traps.prefix + name) is None


def test_a_token_counts_for_one_client_and_for_a_while():
    tokens = Tokens(b"secret")
    token = tokens.issue(b"abcdef", 1_000_000.7)
    assert tokens.counts(token, b"abcdef", 1_000_000.0 + LIFETIME)
    assert not tokens.counts(token, b"abcdef", 1_000_001.0 + LIFETIME)
    assert not tokens.counts(token, b"abcdeg", 1_000_000.7)
    assert not tokens.counts(token, b"abcdef", 900_000.0)
    assert not Tokens(b"other").counts(token, b"abcdef", 1_000_000.7)
    assert token.isalnum()


@given(
    st.one_of(st.text(max_size=50), st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567=18", min_size=40, max_size=40))
)
def test_nothing_else_is_a_token(token):
    assert not Tokens(b"secret").counts(token, b"abcdef", 0.0)


KEYS = st.builds(
    ClientKey,
    st.sampled_from(["192.0.2.1", "20010db8::/64", ""]),
    st.none() | st.binary(max_size=30),
    st.none() | st.binary(max_size=10),
)
ACTS = st.builds(
    Act,
    st.sampled_from(What),
    KEYS,
    st.sampled_from(["", "h"]),
    st.integers(0, MARKS - 1),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
ENTRIES = st.one_of(
    st.builds(lambda key, deed: Entry(key, deed), KEYS, st.sampled_from(Deed)),
    st.builds(lambda key, host: Entry(key, None, host, "v1"), KEYS, st.sampled_from(["", "h"])),
    st.builds(lambda tag: Entry(tag=tag), st.binary(min_size=6, max_size=6)),
)


class Heard:
    """A worker that only listens."""

    def __init__(self):
        self.acts, self.entries, self.counts, self.anew, self.texts = [], [], [], [], []
        self.tell = None
        self.styles = SimpleNamespace(tell=None)

    def heard(self, what, now):
        (self.acts if isinstance(what, Act) else self.entries).append((what, now))

    def begins_anew(self, key, now):
        self.anew.append((key, now))

    def note(self, client, now, number):
        self.counts.append((client, number))

    def take_new(self):
        return {}

    def knows(self, version):
        return False

    def learn(self, version, text):
        self.texts.append((version, len(text)))


def workers():
    listener = Heard()
    return Journal(History(), Ledger(), Rates([1.0])), listener, Journal(listener, listener, listener)


@given(st.lists(ACTS, max_size=20), st.lists(ENTRIES, max_size=20))
def test_what_one_worker_tells_is_what_the_other_hears(acts, entries):
    teller, listener, journal = workers()
    for act in acts:
        teller._tell(act, 100.0)
    for entry in entries:
        teller._write_down(entry, 100.0)
    body = teller.take(103.0)
    assert (body is None) is not bool(acts or entries)
    if body is not None:
        journal.hear(body, 2.0, 50.0)
    assert listener.acts == [(act, 45.0) for act in acts]
    assert listener.entries == [(entry, 45.0) for entry in entries]
    assert len(listener.anew) == sum(entry.deed is Deed.PRESSED_BUTTON for entry in entries)
    assert journal.unreadable == 0
    assert teller.take(104.0) is None


@given(st.binary(max_size=200))
def test_no_batch_does_harm(body):
    _, listener, journal = workers()
    journal.hear(body, 0.0, 0.0)
    assert listener.acts == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(JSON, JSON, JSON, JSON, JSON)
def test_no_json_does_harm(keys, texts, entries, acts, counts):
    """Real tables, so that what is let in must do no harm there either."""
    journal = Journal(History(), Ledger(), Rates([1.0]))
    keys = [["192.0.2.1", "A", None], *(keys if isinstance(keys, list) else [])]
    body = json.dumps({"keys": keys, "texts": texts, "entries": entries, "acts": acts, "counts": counts})
    journal.hear(body.encode(), 0.0, 0.0)


@pytest.mark.parametrize(
    "part",
    [
        {"acts": [["p", 9, 0, "h", 1, 0, 0, 0]]},
        {"acts": [["p", -1, 0, "h", 1, 0, 0, 0]]},
        {"acts": [["p", 0, -5, "h", 1, 0, 0, 0]]},
        {"acts": [["p", 0, 0, "h" * 1000, 1, 0, 0, 0]]},
        {"acts": [["unknown", 0, 0, "h", 1, 0, 0, 0]]},
        {"acts": [["p", 0]]},
        {"entries": [[0, 0, "followed", "", "", ""]]},
        {"entries": [[None, 0, None, "", "", "xyz"]]},
        {"counts": [["a", "b"]]},
        {"counts": ["a"]},
        {"texts": [7]},
        {"texts": [["v1", "x" * 32769]]},
        {"texts": [["v" * 65, "x"]]},
    ],
)
def test_what_cannot_be_read_is_counted_and_the_rest_is_heard(part):
    _, listener, journal = workers()
    good = {"texts": [], "acts": [["p", 0, 1.5, "h", 7, 1, 3, 5]], "entries": [], "counts": []}
    told = {name: [*good[name], *part.get(name, [])] for name in good}
    journal.hear(json.dumps({"keys": [["192.0.2.1", "A", None]], **told}).encode(), 0.0, 10.0)
    assert listener.acts == [(Act(What.PAGE, ClientKey("192.0.2.1", b"A", None), "h", 7, True, 3, 5), 8.5)]
    assert journal.unreadable == 1


def test_the_oldest_are_dropped_and_counted_where_nobody_takes_them():
    history = History()
    journal = Journal(history, Ledger(), Rates([]))
    for number in range(MAX_WAITING + 5):
        history.tell(Act(What.PAGE, BOT, "h", number % MARKS), 0.0)
    assert journal.dropped == 5


def test_a_batch_keeps_its_size_and_loses_nothing():
    teller, listener, journal = workers()
    for number in range(900):
        key = ClientKey(f"192.0.2.{number}", b"\x80" * 900, b"\xff" * 50)
        teller._tell(Act(What.PAGE, key, "h", number % MARKS), 0.0)
        teller._write_down(Entry(key, Deed.FOLLOWED_TRAP), 0.0)
    while (body := teller.take(0.0)) is not None:
        assert len(body) <= MAX_BATCH
        journal.hear(body, 0.0, 0.0)
    assert len(listener.acts) == len(listener.entries) == 900
    assert [act.key.address for act, _ in listener.acts] == [f"192.0.2.{number}" for number in range(900)]


def test_requests_are_counted_over_a_window_that_slides():
    rates = Rates([10.0, 60.0])
    for second in range(20):
        counted = rates.note("a", float(second))
    assert 9 <= counted[10.0] <= 11
    assert counted[60.0] == 20
    assert rates.note("a", 1000.0) == {10.0: 1, 60.0: 1}
    assert rates.note("b", 1000.0, 5) == {10.0: 5, 60.0: 5}
    assert not Rates([])


def test_what_was_counted_here_is_told_once():
    rates = Rates([1.0], size=2)
    for client in ("a", "a", "b", "c"):
        rates.note_here(client, 0.0)
    assert rates.take_new() == {"a": 2, "b": 1}
    assert rates.take_new() == {}


def test_presses_that_follow_close_upon_each_other_add_up():
    ledger = Ledger()
    for number in range(100):
        ledger.note(BOT, Deed.PRESSED_BUTTON, number * 1.9)
    assert not ledger.may_press(BOT, 190.0)


def test_a_press_that_is_heard_of_late_forgives_nothing_newer():
    ledger = Ledger()
    ledger.note(BOT, Deed.FOLLOWED_TRAP, 100.0)
    ledger.heard(Entry(BOT, Deed.PRESSED_BUTTON), 50.0)
    assert signals(ledger.evidence(BOT, 101.0)) == {"trap-followed": 100}


def test_only_who_had_time_to_answer_has_ignored_a_challenge():
    ledger = Ledger()
    for tab in range(20):
        ledger.challenged(BOT, tab * 0.1)
    assert ledger.evidence(BOT, 3.0) == ()
    for number in range(3):
        ledger.challenged(BOT, 10.0 + 6.0 * number)
    assert signals(ledger.evidence(BOT, 30.0)) == {"challenge-ignored": 100}
    ledger.note(BOT, Deed.LOADED_STYLE, 31.0)
    assert ledger.evidence(BOT, 31.0) == ()


def test_strangers_drive_no_offender_out_by_counting():
    ledger = Ledger(size=10)
    ledger.note(BOT, Deed.FOLLOWED_TRAP, 0.0)
    for number in range(1000):
        ledger.challenged(ClientKey(f"x{number}", None, None), 0.0)
        ledger.broke(ClientKey(f"y{number}", None, None), 1, least=2, now=0.0)
    assert signals(ledger.evidence(BOT, 1.0)) == {"trap-followed": 100}


def test_a_text_that_is_not_known_yet_settles_nothing():
    ledger = Ledger()
    ledger.heard(Entry(BOT, None, "h", "v1"), 0.0)
    assert not ledger.refuses(BOT, "h", "SomeBot", "/private", 1.0)
    ledger.served(OTHER, "h", "v1", ROBOTS, 2.0)
    assert ledger.refuses(BOT, "h", "SomeBot", "/private", 3.0)
    assert not ledger.refuses(BOT, "h", "SomeBot", "/private", 25 * 3600.0)


def test_workers_tell_one_another_what_robots_txt_says():
    here, there, late = (Journal(History(), Ledger(), Rates([])) for _ in range(3))
    here._ledger.served(BOT, "h", "v1", ROBOTS, 0.0)
    first = here.take(0.0)
    here._ledger.served(OTHER, "h", "v1", None, 1.0)
    second = here.take(1.0)
    for journal, batches in ((there, (first, second)), (late, (second,))):
        for batch in batches:
            journal.hear(batch, 0.0, 1.0)
    assert there._ledger.refuses(OTHER, "h", "SomeBot", "/private", 2.0)
    assert not late._ledger.refuses(OTHER, "h", "SomeBot", "/private", 2.0)


def test_a_long_robots_txt_is_not_told_and_many_short_ones_keep_the_size_of_a_batch():
    teller, listener, journal = workers()
    ledger = teller._ledger
    ledger.served(BOT, "h", "long", b"#" * (MAX_TOLD + 1), 0.0)
    ledger.served(BOT, "h", "strange", b"\x00" * MAX_TOLD, 0.0)
    for number in range(40):
        ledger.served(BOT, f"h{number}", f"v{number}", b"#" * MAX_TOLD, 0.0)
    for _ in range(100):
        teller._tell(Act(What.PAGE, BOT, "h", 1), 0.0)
    listener.first = 0
    while (body := teller.take(0.0)) is not None:
        assert len(body) <= MAX_BATCH
        journal.hear(body, 0.0, 0.0)
        listener.first = listener.first or len(listener.acts)
    # What clients do does not wait for them, and more than a few are learnt elsewhere.
    assert listener.first == 100
    assert listener.texts == [(f"v{number}", MAX_TOLD) for number in range(15)]
    assert len(listener.entries) == 42


def test_of_a_key_that_is_too_long_to_be_kept_nobody_is_told():
    teller, listener, journal = workers()
    long = ClientKey("192.0.2.3", b"x" * 2000, None)
    teller._ledger.served(long, "h", "v1", ROBOTS, 0.0)
    teller._tell(Act(What.PAGE, long, "h", 1), 0.0)
    teller._ledger.served(BOT, "h", "v1", ROBOTS, 0.0)
    journal.hear(teller.take(0.0), 0.0, 0.0)
    assert (journal.unreadable, len(listener.entries), listener.acts) == (0, 1, [])
    assert listener.texts == [("v1", len(ROBOTS))]


def test_a_count_below_zero_is_none():
    rates = Rates([1.0])
    journal = Journal(History(), Ledger(), rates)
    journal.hear(b'{"keys": [], "entries": [], "acts": [], "counts": [["192.0.2.1", -1000000]]}', 0.0, 0.0)
    assert rates.note("192.0.2.1", 0.0) == {1.0: 1}
