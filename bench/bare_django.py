"""Django under WSGI with the middlewares of the rendered service and nothing else."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    # Those of the rendered service, less the chassis' own, as bench/run.py reads them there.
    MIDDLEWARE=os.environ["BENCH_MIDDLEWARE"].split(","),
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only-for-the-bench",  # noqa: S106 - guards nothing
    STATIC_URL="/static/",
    WHITENOISE_USE_FINDERS=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)


def answer(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"message": "hello", "number": 42})


urlpatterns = [path("bench", answer)]
app = get_wsgi_application()
