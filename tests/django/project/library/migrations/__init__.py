"""The tables of the library."""
