"""Records in a SQL database: what SQLite and PostgreSQL share, and a folder for each."""
