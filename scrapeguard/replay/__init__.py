"""Logs, played through a guard as if their requests came now: with the past of each client, by the clock of the log."""
