"""``OPTIONS["pool"]["hold"] = "transaction"``: a connection is held only while it is needed.

Django keeps its connection from a request's first query to its end. Here an object stands in
its place (`connection`) that checks one out for each statement, and keeps it for as long as
something binds the next statement to it: a transaction, a cursor on the server, state in the
session, `Pool.hold`.
"""
