"""What the package does: the core, a storage, a clock and random bytes put together."""
