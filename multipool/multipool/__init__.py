"""One PostgreSQL connection pool for any driver."""
