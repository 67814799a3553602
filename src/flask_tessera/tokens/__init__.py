"""What is presented: bytes in, claims out. No clock, no randomness, no I/O."""
