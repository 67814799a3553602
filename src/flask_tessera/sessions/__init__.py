"""What a session is and may become: pure values and functions."""
