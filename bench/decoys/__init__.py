"""Would builders of data sets keep these pages? See `python -m bench.decoys --help`."""
