"""Where the library's books are: an app that needs PostGIS."""
