"""The types of ASGI (version 3) and of header fields, as far as they are used here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

RawFields = Iterable[tuple[bytes, bytes]]
"""Header fields as they stand on the wire: name and value, in their order, duplicates kept."""
Fields = list[tuple[bytes, bytes]]
"""Header fields that are passed on, names in lower case."""
