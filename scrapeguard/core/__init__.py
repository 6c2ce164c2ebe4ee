"""What scrapeguard decides and why: values and pure functions, without I/O, clock or randomness."""
