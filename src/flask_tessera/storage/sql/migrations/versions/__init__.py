"""One script for each version of the schema. They stay as they are, whatever the schema becomes."""
