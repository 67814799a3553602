"""Where records live: the contract and its implementations."""
