"""Django the usual way: django-structlog, django-prometheus and OpenTelemetry's instrumentation, set up as they document it."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from opentelemetry.instrumentation.django import DjangoInstrumentor

import usual

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        *os.environ["BENCH_MIDDLEWARE"].split(","),
        "django_structlog.middlewares.RequestMiddleware",
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    ],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
        "django_prometheus",
        "django_structlog",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only-for-the-bench",  # noqa: S106 - guards nothing
    STATIC_URL="/static/",
    WHITENOISE_USE_FINDERS=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    LOGGING_CONFIG=None,
)
usual.log_json()
usual.trace_requests()
DjangoInstrumentor().instrument()


def answer(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"message": "hello", "number": 42})


urlpatterns = [path("bench", answer), path("", include("django_prometheus.urls"))]
app = get_wsgi_application()
