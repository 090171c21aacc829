"""The twenty hard cases of a pool, each a small function that takes a scene with one peer.

``python -m benchmarks.cases NUMBER PEER`` plays one of them, in a process of its own so that
whoever calls can end it when it hangs (`benchmarks.hard_cases` does). It prints an `Outcome`.
"""
