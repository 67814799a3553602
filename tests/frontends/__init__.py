"""The snippets for front ends, run by Node.js against a server."""
