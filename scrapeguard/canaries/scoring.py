"""How a text gets a loss from what an endpoint answers: by log-probabilities, or by what it completes.

Any score will do for the rank test, as long as all candidates get it in the same way. Log-probabilities see most.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import SequenceMatcher
from math import isfinite
from typing import Any, Protocol

_COMPLETED = 160
"""Tokens that are asked for: more than half a candidate has."""
_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


class EndpointError(Exception):
    """The endpoint gives no losses; the message says why, and what to do."""


class Scoring(Protocol):
    """What to ask about texts, and how to read the answer."""

    def asked(self, prompt: str, texts: Sequence[str]) -> dict[str, Any]:
        """The fields of a request, besides the model."""

    def losses(self, body: bytes, prompt: str, texts: Sequence[str]) -> list[float]:
        """The losses of the same texts in the answer.

        Raises:
            EndpointError: it does not hold them.
        """


class _ByLogprobs:
    """The mean loss of the tokens, in nats: the text is echoed with the logarithm of each token's probability."""

    def asked(self, prompt: str, texts: Sequence[str]) -> dict[str, Any]:
        return {"prompt": [prompt + text for text in texts], "max_tokens": 0, "echo": True, "logprobs": 1}

    def losses(self, body: bytes, prompt: str, texts: Sequence[str]) -> list[float]:
        return losses_in(body, [(len(prompt), len(prompt + text)) for text in texts])


class _ByMatch:
    """The share of words of the second half that are missing when the first half is to be completed."""

    def asked(self, prompt: str, texts: Sequence[str]) -> dict[str, Any]:
        return {"prompt": [prompt + _halves(text)[0] for text in texts], "max_tokens": _COMPLETED}

    def losses(self, body: bytes, prompt: str, texts: Sequence[str]) -> list[float]:
        try:
            choices = _choices(body, len(texts))
            return [_missing(_halves(text)[1], choice["text"]) for text, choice in zip(texts, choices, strict=True)]
        except _MISSHAPEN as error:
            raise EndpointError(f"the answer holds no completions ({error!r})") from None


BY_LOGPROBS: Scoring = _ByLogprobs()
BY_MATCH: Scoring = _ByMatch()
SCORINGS = {"logprobs": BY_LOGPROBS, "match": BY_MATCH}


def losses_in(body: bytes, spans: Sequence[tuple[int, int]]) -> list[float]:
    """The mean losses in an answer.

    Args:
        body: what the endpoint answered.
        spans: of each text where it begins and ends in what was sent, in characters.

    Raises:
        EndpointError: the answer does not hold them.
    """
    try:
        choices = _choices(body, len(spans))
        return [_mean_loss(choice["logprobs"], span) for choice, span in zip(choices, spans, strict=True)]
    except _MISSHAPEN as error:
        raise EndpointError(
            f"the answer holds no log-probabilities of the prompt ({error!r}): the endpoint must honour `echo` and "
            "`logprobs` in completions, as vLLM does; for others there is --score match"
        ) from None


def _mean_loss(logprobs: dict[str, Any], span: tuple[int, int]) -> float:
    """The mean loss of the tokens that begin within the span; the first of a prompt has none."""
    offsets, values = logprobs["text_offset"], logprobs["token_logprobs"]
    if len(offsets) != len(values):
        raise ValueError("as many offsets as log-probabilities are expected")
    begin, end = span
    within = [
        float(value) for at, value in zip(offsets, values, strict=True) if value is not None and begin <= at < end
    ]
    if not within or not all(map(isfinite, within)):
        raise ValueError("no finite log-probabilities")
    if max(at for at in offsets if at < end) < begin + (end - begin) // 2:
        raise ValueError("the prompt is not echoed to its end")
    return -sum(within) / len(within)


def _choices(body: bytes, expected: int) -> list[dict[str, Any]]:
    """The choices in the order of what was asked."""
    choices = sorted(json.loads(body)["choices"], key=lambda choice: int(choice["index"]))
    if [choice["index"] for choice in choices] != list(range(expected)):
        raise ValueError(f"{expected} choices are expected, numbered from 0, not {len(choices)}")
    return choices


def _halves(text: str) -> tuple[str, str]:
    words = text.split(" ")
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def _missing(wanted: str, completed: str) -> float:
    """The share of the wanted words that do not stand in what was completed, in their order: 0 to 1."""
    words = wanted.split()
    blocks = SequenceMatcher(None, words, completed.split()[: 2 * len(words)], autojunk=False).get_matching_blocks()
    return 1 - sum(block.size for block in blocks) / len(words)
