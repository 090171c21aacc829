"""An app whose one migration installs the fleet in the database that it is run on.

``INSTALLED_APPS = [..., "multipool_django.fleet"]``, and ``manage.py migrate``. An app of its
own, so that nobody gets a schema for a thing they do not use.
"""
