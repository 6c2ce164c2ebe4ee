"""Benchmarks: one module per question, all run by `python -m bench`. Needs the extras `bench` and `test`."""
