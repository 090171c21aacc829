"""Django's own test suite, run on an ENGINE of multipool: ``python -m tests.django_suite``."""
