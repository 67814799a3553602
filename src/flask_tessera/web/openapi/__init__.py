"""The application's API, described for people and programs: OpenAPI 3.1, and a page that shows it."""
