"""What the tests of a pool, an adapter or an application can lean on.

- `server`: a PostgreSQL of one's own, started in half a second and gone afterwards.
- `fake`: a driver and its server in memory, whose failures and delays are scripted.
- `proxy`: a TCP proxy that counts round trips, adds delay and can be broken.
- `compliance`: the suite every adapter passes, run with a few lines of pytest.

Each is imported by its own name, since each needs something else.
"""
