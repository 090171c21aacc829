"""A small Django project; the databases come in as JSON, so that a test can choose them."""

import json
import os
import sys

# Drivers to do as if they were not installed.
sys.modules.update(dict.fromkeys(json.loads(os.environ.get("LIBRARY_WITHOUT", "[]"))))

DATABASES = json.loads(os.environ.get("LIBRARY_DATABASES", "{}"))
INSTALLED_APPS = [*json.loads(os.environ.get("LIBRARY_APPS", "[]")), "library"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "library.urls"
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "not a secret"
USE_TZ = True
TIME_ZONE = "Europe/Prague"
LOGGING_CONFIG = None
