"""Django's admin: signs in, shows its pages, and loads nothing from elsewhere."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings


@pytest.fixture
def signed_in(client: httpx2.Client) -> Iterator[httpx2.Client]:
    # The usual hasher takes its time, on purpose.
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        get_user_model().objects.create_superuser("ada", password="correct horse battery")
        # Over TLS, which a session's cookie may be for alone; and nobody as yet.
        client.base_url = httpx2.URL("https://localhost")
        client.headers.pop("cookie", None)
        client.get("/admin/login/")
        token = client.cookies["csrftoken"]
        form = {"username": "ada", "password": "correct horse battery", "csrfmiddlewaretoken": token}
        # As a browser does: the origin is what Django compares with the host.
        reply = client.post("/admin/login/?next=/admin/", data=form, headers={"origin": "https://localhost"})
        assert (reply.status_code, reply.headers["location"]) == (302, "/admin/")
        yield client


def test_nobody_gets_in_without_signing_in(client: httpx2.Client) -> None:
    reply = client.get("/admin/")
    assert (reply.status_code, reply.headers["location"]) == (302, "/admin/login/?next=/admin/")


def test_a_form_from_another_origin_is_refused(client: httpx2.Client) -> None:
    client.get("/admin/login/")
    form = {"username": "ada", "password": "x", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    reply = client.post("/admin/login/", data=form, headers={"origin": "https://evil.example.com"})
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/problem+json")


def test_every_page_of_the_start_page_is_there(signed_in: httpx2.Client) -> None:
    start = signed_in.get("/admin/")
    assert start.status_code == 200
    pages = set(re.findall(r'href="(/admin/[^"]+)"', start.text)) - {"/admin/logout/"}
    assert "/admin/auth/user/" in pages
    for page in pages:
        assert signed_in.get(page).status_code == 200, page


def test_its_files_are_served_and_none_comes_from_elsewhere(signed_in: httpx2.Client) -> None:
    html = signed_in.get("/admin/").text
    files = re.findall(r'<(?:link|script)[^>]+(?:href|src)="([^"]+)"', html)
    assert files
    for file in files:
        assert file.startswith("/static/"), file
        assert signed_in.get(file).status_code == 200, file


def test_the_policy_lets_its_pages_load_them(client: httpx2.Client) -> None:
    policy = client.get("/admin/login/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "<script>" not in client.get("/admin/login/").text
