"""What sessions put into Django's settings: `request.session` and the admin's are the same ones, in the same cookie."""

from app.chassis import sessions
from app.chassis.settings import load

SESSION_ENGINE = "app.chassis.sessions.engine"
SESSION_COOKIE_NAME = sessions.COOKIE
SESSION_COOKIE_AGE = load(sessions.Settings).session_ttl
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_PATH = "/"
