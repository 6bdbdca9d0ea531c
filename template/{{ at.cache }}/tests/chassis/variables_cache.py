"""In production a cache is required; where nobody listens there the service does without."""

import os

REDIS = os.environ.get("CACHE_URL") or "redis://127.0.0.1:6379/0"
VARIABLES = {"CACHE_URL": REDIS}
