"""An app that uses what applications use of a database."""
