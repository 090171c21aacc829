"""What Django uses of ``psycopg2.sql``: a place for its own ``quote``, which it puts here."""
