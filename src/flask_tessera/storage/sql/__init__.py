"""Records in a SQL database: what SQLite, PostgreSQL and MySQL share, and a folder for each."""
