"""The part of pg8000 1.31 that multipool uses."""
