"""The guard inside an ASGI server."""
