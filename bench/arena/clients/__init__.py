"""The clients, each a small function; all of them stand in `bench.arena.clients.table`."""
