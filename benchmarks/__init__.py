"""multipool against the other pools for Python, measured in one run.

``python -m benchmarks`` runs everything, ``python -m benchmarks checkout kills`` the named
ones; ``--help`` tells the rest. Each file asks one question:

- `checkout`: what does it cost to borrow an idle connection and give it back?
- `contention`: what do 32 threads on 10 connections get, and does each get its turns?
- `query`: what does a pool add to a real query?
- `cold`: how soon do 10 threads have a connection each when there is none yet?
- `outage`: what does a pool do while its server is away, and after it has come back?
- `kills`: who notices that the idle connections were killed?
- `hard_cases`: which of the twenty hard cases does each pool get right?
- `django` (`django_views`): how fast are Django's views through our backends, and through what
  else there is?
- `plans`: what do prepared statements gain, and what where PostgreSQL's plan is wrong?
- `watching`: what do traces and the query report cost, on and off?
- `drivers`: what does pg8000 cost with multipool's adapter, and what as shipped?

`peers` holds the pools, `measure` how they are timed, `report` and `chart` how it is told.
"""
