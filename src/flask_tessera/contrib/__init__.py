"""Seams to other libraries, one file each; none is imported unless the application uses it."""
