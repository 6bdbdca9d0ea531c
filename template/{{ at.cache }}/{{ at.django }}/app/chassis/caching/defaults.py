"""What the cache puts into Django's settings: `django.core.cache` is the same Redis, under the same limits."""

from typing import Any

from app.chassis import about
from app.chassis.caching.options import Settings
from app.chassis.settings import load

_url = load(Settings).cache_url

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "app.chassis.caching.backend.Cache" if _url else "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": _url or about.NAME,
        "KEY_PREFIX": f"{about.NAME}:django",
    },
}
