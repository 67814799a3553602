"""What is presented: bytes in, claims out. No clock, no dice, no I/O."""
