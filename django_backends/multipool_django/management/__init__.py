"""What ``manage.py`` finds with ``"multipool_django"`` in INSTALLED_APPS."""
