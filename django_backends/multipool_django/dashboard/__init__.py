"""``INSTALLED_APPS = [..., "multipool_django.dashboard"]``: the fleet's page in the admin."""
