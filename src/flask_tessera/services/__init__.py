"""What the package does: the core, a storage, a clock and dice put together."""
