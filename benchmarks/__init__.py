"""What the package costs, beside other libraries: `python3 dev.py bench [NAMES]`."""
