"""Prepared statements that belong to the pool: which statements, on which connections, and when.

- `guard`: judges one statement by its times, prepared and not.
- `statement`: what the pool knows of one statement, and the forms in which it is prepared.
- `planner`: the statements of one pool.
- `shelf`: what is prepared on one connection.
- `limits`: ``LIMIT 20 OFFSET 40`` as parameters.
- `source`: what may be prepared: SQL, or what becomes SQL.
- `handle`, `report`: what `Pool.prepare` and `Pool.plans` return.
- `options`: the pool's option ``prepare``.

For adapters: `recovery` (what errors mean), and for drivers that write parameters into the text
`by_text`, `text_form` and `literals` (PREPARE and EXECUTE as SQL). `disturbing` tells which other
statements concern what is prepared.
"""
