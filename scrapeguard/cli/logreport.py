"""What `explain --log` prints: each decision with its reasons, and in the end how each client fared."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from scrapeguard.cli.loading import count
from scrapeguard.cli.output import ACTION_COLOURS, fail, paint, print_json, printable
from scrapeguard.core.browserheaders import HEADER_SIGNALS
from scrapeguard.core.decision import Decision, Mode, Reason
from scrapeguard.core.recent import Recent
from scrapeguard.replay.lines import Logged
from scrapeguard.replay.player import Played

_MOST_TOLD = 50
_MOST_CLIENTS = 10_000
_MOST_SHOWN = 20
_MAX_FIRSTS = 8192
_UNSEEN = (
    "Access logs hold no headers, so there is no sign of {}, and conditions on headers match nothing. "
    "What looks like no style or picture counts as a page."
)


class Place(NamedTuple):
    """A line of a log."""

    file: str
    line: int


class Report(Protocol):
    """What is printed of a log."""

    def decided(self, place: Place, played: Played) -> None:
        """A request was decided."""

    def trouble(self, place: Place, message: str) -> None:
        """Something is wrong with a line."""

    def end(self, tally: Tally) -> None:
        """The log is at its end."""


class Fare:
    """How one client fared."""

    def __init__(self, user_agent: str) -> None:
        self.user_agent = user_agent
        self.requests = self.refused = 0
        self.first: Place | None = None
        """The first line in which it was refused."""
        self.rule = ""

    def add(self, place: Place, decision: Decision) -> None:
        """One request more."""
        self.requests += 1
        if not decision.action.passes:
            self.refused += 1
            if self.first is None:
                self.first, self.rule = place, decision.rule


class Tally:
    """How the clients of a log fared: so many of them one by one, all others together."""

    def __init__(self) -> None:
        self.by_client: dict[tuple[str | None, bytes | None], Fare] = {}
        self.others = Fare("")
        self.unreadable = self.backwards = 0

    def add(self, place: Place, played: Played) -> None:
        """One decision more."""
        logged = played.logged
        key = logged.client, logged.user_agent
        fare = self.by_client.get(key)
        if fare is None:
            agent = logged.user_agent or b""
            full = len(self.by_client) >= _MOST_CLIENTS
            fare = self.others if full else self.by_client.setdefault(key, Fare(agent.decode("utf-8", "replace")))
        fare.add(place, played.decision)

    @property
    def in_order(self) -> list[tuple[str, Fare]]:
        """The clients, those first who were refused most."""
        fares = [(client or "no address", fare) for (client, _), fare in self.by_client.items()]
        return sorted(fares, key=lambda one: (-one[1].refused, -one[1].requests))


class JsonReport:
    """One object a line: a decision, a problem, and at the end a summary."""

    def decided(self, place: Place, played: Played) -> None:
        """A decision, with what the log says of its request."""
        logged = played.logged
        agent = logged.user_agent
        print_json(
            {
                **place._asdict(),
                "time": _iso(logged.time),
                "method": logged.method,
                "host": logged.host,
                "path": logged.target,
                "user_agent": None if agent is None else agent.decode("utf-8", "replace"),
                **played.decision.to_json(),
                "note": played.note,
                "logged": {"status": logged.status, "action": logged.action and str(logged.action)},
            }
        )

    def trouble(self, place: Place, message: str) -> None:
        """What is wrong with a line."""
        print_json({**place._asdict(), "problem": message})

    def end(self, tally: Tally) -> None:
        """How the clients fared."""
        print_json(
            {
                "summary": [_fare_json(client, fare) for client, fare in tally.in_order],
                "others": {"requests": tally.others.requests, "refused": tally.others.refused},
                "unreadable": tally.unreadable,
                "backwards": tally.backwards,
            }
        )


def _fare_json(client: str, fare: Fare) -> dict[str, Any]:
    return {
        "client": client,
        "user_agent": fare.user_agent,
        "requests": fare.requests,
        "refused": fare.refused,
        "first_refused": fare.first and fare.first._asdict(),
        "rule": fare.rule or None,
    }


class TextReport:
    """A line for each decision, what it weighs below it, and what each sign means where a client first shows it.

    Args:
        only: the client that is shown alone; None for all.
    """

    def __init__(self, *, only: str | None) -> None:
        self._files: set[str] = set()
        self._day = ""
        self._told = 0
        # Strangers choose how many clients a log holds.
        self._known: Recent[tuple[str | None, bytes | None, str], bool] = Recent(_MAX_FIRSTS)
        for line in textwrap.wrap(_UNSEEN.format(", ".join(sorted(HEADER_SIGNALS))), 100, break_on_hyphens=False):
            print(paint(line, "grey"))
        if only is not None:
            print(paint(f"Shown is {printable(only)} alone; all others were decided too.", "grey"))

    def decided(self, place: Place, played: Played) -> None:
        """A decision with its reasons."""
        logged, decision = played.logged, played.decision
        self._begin(place, logged)
        action = paint(f"{decision.action:9}", ACTION_COLOURS[decision.action])
        clock = datetime.fromtimestamp(logged.time, UTC).strftime("%H:%M:%S")
        request = printable(f"{logged.method} {logged.host}{logged.target}")
        client = printable(logged.client or "no address")
        print(f"{place.line:>6}  {clock}  {client:15}  {action}  {decision.score:>4}  {request}")
        for line in self._why(played):
            print(paint(f"{'':18}{line}", "grey"))

    def _begin(self, place: Place, logged: Logged) -> None:
        """Tell of a file or day that begins."""
        day = datetime.fromtimestamp(logged.time, UTC).strftime("%Y-%m-%d")
        if place.file not in self._files or day != self._day:
            self._files.add(place.file)
            self._day = day
            print(f"\n{paint(printable(place.file), 'bold')}, {day} (UTC)")
            print(paint(f"{'LINE':>6}  {'TIME':8}  {'CLIENT':15}  {'DECISION':9}  SCORE REQUEST", "bold"))

    def _why(self, played: Played) -> Iterator[str]:
        logged, decision = played.logged, played.decision
        if played.note is not None:
            yield played.note
        if decision.rule != "default" or decision.reasons:
            yield f"by {printable(decision.rule)}{_sum(decision.reasons)}"
        if decision.mode is Mode.OBSERVE and not decision.action.passes:
            yield "the mode is `observe`: it passes"
        if logged.action is not None and logged.action is not decision.action:
            yield f"the log says `{logged.action}`"
        for reason in decision.reasons:
            key = logged.client, logged.user_agent, reason.signal
            if self._known.get(key) is None:
                self._known.put(key, True)
                yield f"first sign of {reason.signal}: {printable(reason.evidence)}"

    def trouble(self, place: Place, message: str) -> None:
        """What is wrong with a line."""
        self._told += 1
        if self._told <= _MOST_TOLD:
            fail(f"{printable(place.file)}:{place.line}: {printable(message)}")
        elif self._told == _MOST_TOLD + 1:
            fail("further lines of that kind are only counted")

    def end(self, tally: Tally) -> None:
        """How the clients fared."""
        print()
        fares = tally.in_order
        for client, fare in fares[:_MOST_SHOWN]:
            agent = printable(fare.user_agent)
            print(f"{printable(client):15}  {_fared(fare)}\n{'':17}{paint(agent[:100] or 'no User-Agent', 'grey')}")
        rest = [fare for _, fare in fares[_MOST_SHOWN:]] + [tally.others] * bool(tally.others.requests)
        if rest:
            requests, refused = sum(fare.requests for fare in rest), sum(fare.refused for fare in rest)
            print(f"and all other clients: {count(requests, 'request')}, {refused:,} refused")
        if not fares:
            print("no request was decided")
        if tally.unreadable or tally.backwards:
            fail(f"{count(tally.unreadable, 'line')} could not be read, {tally.backwards:,} out of order")


def _sum(reasons: tuple[Reason, ...]) -> str:
    """The reasons with their weights, the heaviest first."""
    heaviest = sorted(reasons, key=lambda reason: -reason.weight)
    return f": {' + '.join(f'{reason.signal} {reason.weight}' for reason in heaviest)}" if heaviest else ""


def _fared(fare: Fare) -> str:
    said = count(fare.requests, "request")
    if fare.first is None:
        return f"{said}, all passed"
    where = f"line {fare.first.line} of {printable(fare.first.file)}"
    return f"{said}, {fare.refused:,} refused, the first in {where}, by {printable(fare.rule)}"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
