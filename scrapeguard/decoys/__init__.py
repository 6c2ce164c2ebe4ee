"""Decoys: well-formed pages of false, harmless text that stay the same on every visit."""
