"""The query report: what was executed, from where, how often, and for how long."""
