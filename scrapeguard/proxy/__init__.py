"""The reverse proxy: relays what the guard lets through to a site of any make. Needs the extra `proxy`."""

from importlib.util import find_spec

_NEEDED = ("aiohttp", "websockets", "httptools")

for _name in _NEEDED:
    if find_spec(_name) is None:
        raise ModuleNotFoundError(f'the reverse proxy needs {_name}: pip install "scrapeguard[proxy]"', name=_name)
