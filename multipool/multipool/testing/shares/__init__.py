"""A budget shared by a thousand processes, in one program and in a time of its own.

The share logic is the real one, `multipool.budget.sharing`; what is around it is modelled: the
`store` that ``multipool.claim`` is in PostgreSQL, with the server's sessions, its latency and its
crashes; and each `process` with its pool, as `multipool.budget.stake` has it. `fleet` plays
them through, and sees to it that the budget is kept at every instant.
"""
