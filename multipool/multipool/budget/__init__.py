"""One budget of server connections for all processes of an application.

`sharing` decides who should have how many, and is arithmetic alone; the store in PostgreSQL
(``multipool.claim`` in the fleet's ``schema.sql``) only sees to it that nobody is given what
others have not released.
"""
