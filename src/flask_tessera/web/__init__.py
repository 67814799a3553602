"""The Flask seam: the extension, its guards, answers and endpoints."""
