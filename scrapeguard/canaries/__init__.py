"""Canaries: text drawn by a secret key, which tells what a model was trained on, and where a leaked page came from."""
