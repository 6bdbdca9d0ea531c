"""Which views nobody has to declare: those of pages that are guarded otherwise, and no other."""

from typing import Any

import pytest
from django.contrib.auth import views
from django.http import HttpRequest
from django.urls import get_resolver
from django.views.decorators.gzip import gzip_page

from app.chassis import guard
from app.chassis.framework import create, every_route


def test_the_admin_and_the_documentation_are_exempt() -> None:
    every = every_route("", get_resolver().url_patterns)
    pages = [one for one in every if one.template.startswith(("/admin/", "/docs"))]
    assert len(pages) > 10
    assert [one.template for one in pages if not guard.is_exempt(one.view)] == []


@pytest.mark.parametrize("view", [views.LoginView.as_view(), views.PasswordResetView.as_view()])
def test_other_pages_of_django_are_not(view: object) -> None:
    assert not guard.is_exempt(view)


def secret(request: HttpRequest) -> None: ...


def test_a_view_of_an_api_that_somebody_has_wrapped_is_not() -> None:
    """What it declares cannot be seen any more: it has to say it itself."""
    api: Any = create(urls_namespace="guarded", openapi_url=None, docs_url=None)
    api.get("/secret")(secret)
    (pattern,) = [one for one in api.urls[0] if str(one.pattern) == "secret"]
    assert not guard.is_exempt(gzip_page(pattern.callback))
