"""What the chassis puts into Django's settings: app/settings.py takes all of it over and may override it."""

from importlib import import_module
from pathlib import Path
from typing import Any

from app.chassis import database, security, server
from app.chassis.settings import Settings, load

# Whichever way in, the server, manage.py or the tests: wrong variables are named and nothing starts.
server.refuse(server.settings_problems())

_settings, _security = load(Settings), load(security.Settings)
_production = _settings.environment == "production"

SECRET_KEY = _settings.secret_key.get_secret_value()
DEBUG = _settings.debug
ALLOWED_HOSTS = list(_security.allowed_hosts)
# Behind a proxy that speaks TLS a form's origin is https, although the request that arrives here is not.
CSRF_TRUSTED_ORIGINS = [f"https://{'*' * host.startswith('.')}{host}" for host in ALLOWED_HOSTS if host != "*"]
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _production
CSRF_FAILURE_VIEW = "app.chassis.handlers.csrf_failure"
# The edge refuses a larger body first; Django's own, lower default must not come before it.
DATA_UPLOAD_MAX_MEMORY_SIZE = _security.body_limit

ROOT_URLCONF = "app.urls"
INSTALLED_APPS: list[str] = [
    "app.chassis.commands",
    # The capabilities that have tables of their own.
    *(f"app.chassis.{apps.parent.name}" for apps in sorted(Path(__file__).parent.glob("*/apps.py"))),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "ninja",
]
# The security headers, the host check and the request's log line are the edge's, once per request.
MIDDLEWARE: list[str] = [
    "app.chassis.middleware.Chassis",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, dict[str, Any]] = database.databases()
DATABASE_ROUTERS = database.database_routers()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The admin's and the documentation's own files, served from where their packages have them: nothing to collect.
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
# Which other origins may read an answer is for CORS_ORIGINS to say.
WHITENOISE_ALLOW_ALL_ORIGINS = False

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

# What capabilities say of it.
for _found in sorted(Path(__file__).parent.glob("*/defaults.py")):
    _said = vars(import_module(f"app.chassis.{_found.parent.name}.defaults"))
    globals().update({name: value for name, value in _said.items() if name.isupper()})

# The server and manage.py hand the standard library's loggers to app.chassis.logging: Django must not take them back.
LOGGING_CONFIG = None
