"""Guards in the OpenAPI documents that other libraries write: one file for each kind of library."""
