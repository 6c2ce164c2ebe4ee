"""A reader of robots.txt written from RFC 9309 alone, to check what the package writes."""

from __future__ import annotations

import re


def parse(text):
    """Groups as pairs of tokens (lower case) and rules (allowed, pattern)."""
    groups, expects_agents = [], False
    for line in re.split(r"\r\n|\r|\n", text):
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip(" \t").lower(), value.strip(" \t")
        if not colon:
            continue
        if key == "user-agent":
            if not expects_agents:
                groups.append((set(), []))
            groups[-1][0].add(value.lower())
            expects_agents = True
        elif key in ("allow", "disallow") and groups:
            groups[-1][1].append((key == "allow", value))
            expects_agents = False
    return groups


def allowed(text, token, target):
    """Whether a robot of that product token may fetch the target (RFC 9309 §2.2)."""
    groups = parse(text)
    rules = [rule for tokens, rules in groups for rule in rules if token.lower() in tokens]
    if not any(token.lower() in tokens for tokens, _ in groups):
        rules = [rule for tokens, rules in groups for rule in rules if "*" in tokens]
    matching = [(len(pattern), allow) for allow, pattern in rules if pattern and _matches(pattern, target)]
    return max(matching, default=(0, True))[1]


def _matches(pattern, target):
    body = pattern.removesuffix("$")
    regex = ".*".join(map(re.escape, re.sub(r"\*+", "*", body).split("*"))) + (r"\Z" if pattern.endswith("$") else "")
    return re.match(regex, target, re.DOTALL) is not None
