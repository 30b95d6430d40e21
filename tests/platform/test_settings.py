"""What the settings refuse, loaded from real environments in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jwt.algorithms import RSAAlgorithm

from tests.platform.running import bare_environment, permissions_of
from tests.platform.test_environment import PRODUCTION, Load, load  # noqa: F401 - a fixture
from tests.servers import ROOT
from tests.sign_on import SECRET, key_file, private_key, private_pem


@pytest.fixture
def load_settings(load: Load, tmp_path: Path) -> Callable[..., list[str]]:  # noqa: F811 - the fixture
    """What comes of the settings in each environment: one line."""

    def load_settings(*environments: dict[str, str]) -> list[str]:
        loaded = load(tmp_path, list(environments), "SECRET_KEY")
        return [said or f"SECRET_KEY is {found['SECRET_KEY']}" for found, said in loaded]

    return load_settings


CHECK_AND_ASK = """
import json, sys
import pmo.wsgi
from django.conf import settings
from django.core.management import call_command
from django.test import Client
call_command("check", deploy=True, fail_level="WARNING")
plain = Client(headers={"Host": "pmo.example.org"}).get("/admin/")
answer = Client(headers={"Host": "pmo.example.org", "X-Forwarded-Proto": "https"}).get("/healthz")
by_address = Client(headers={"Host": "10.0.0.7:4000", "X-Forwarded-Proto": "http"})
foreign = Client(headers={"Host": "localhost", "X-Forwarded-Proto": "https"}).get("/admin/")
print(json.dumps({
    "plain": [plain.status_code, plain["Location"]],
    "hsts": answer["Strict-Transport-Security"],
    "foreign host": foreign.status_code,
    "by address": [by_address.get(f"/{path}").status_code for path in ("healthz", "readyz", "metrics", "admin/")],
    "cookies": [settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE],
    "address": settings.AXES_CLIENT_IP_CALLABLE,
    # redis-py imports the API, and what measures, by itself.
    "tracing": [
        name for name in sys.modules
        if name.startswith(("opentelemetry.instrumentation", "opentelemetry.exporter", "opentelemetry.sdk.trace"))
    ],
    "errors shown": settings.DEBUG or settings.DEBUG_PROPAGATE_EXCEPTIONS,
}))
"""


def test_production_settings_pass_djangos_deployment_checks_and_insist_on_https(tmp_path: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHECK_AND_ASK],
        cwd=ROOT,
        env=bare_environment(**PRODUCTION, DATA_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout.splitlines()[-1]) == {
        "plain": [301, "https://pmo.example.org/admin/"],
        "hsts": "max-age=31536000",
        "foreign host": 400,
        "by address": [200, 200, 401, 400],
        "cookies": [True, True],
        "address": "pmo.people.authentication.address_behind_proxy",
        "tracing": [],
        "errors shown": False,
    }
    assert list(tmp_path.iterdir()) == []  # production keeps nothing beside its engines


def test_subdomains_and_preloading_are_a_choice(load: Load, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    chosen = {"HSTS_INCLUDE_SUBDOMAINS": "true", "HSTS_PRELOAD": "true"}
    names = ("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")
    loaded = load(tmp_path, [PRODUCTION, PRODUCTION | chosen], *names)
    assert [tuple(found.values()) for found, _ in loaded] == [(31_536_000, False, False), (31_536_000, True, True)]


def test_production_refuses_to_start_and_names_the_variable(load_settings: Callable[..., list[str]]) -> None:
    wrong = [
        ("DEBUG", "true", "with DEBUG on"),
        ("SECRET_KEY", "", "Set SECRET_KEY"),
        *(("SECRET_KEY", guessed, "SECRET_KEY can be guessed") for guessed in ("changeme", "x" * 31, "ab" * 40)),
        ("ALLOWED_HOSTS", "", "Set ALLOWED_HOSTS"),
        ("DATABASE_URL", "", "Set DATABASE_URL"),
        ("REDIS_HOST", "", "Set REDIS_HOST"),
        ("ENVIRONMENT", "staging", "ENVIRONMENT is 'staging'"),
    ]
    right, *refusals = load_settings(PRODUCTION, *(PRODUCTION | {name: value} for name, value, _ in wrong))
    assert right == f"SECRET_KEY is {PRODUCTION['SECRET_KEY']}"
    for (_, _, said), refusal in zip(wrong, refusals, strict=True):
        assert refusal.startswith("ImproperlyConfigured")
        assert said in refusal


def test_development_makes_one_secret_key_that_only_its_owner_reads(
    tmp_path: Path, load_settings: Callable[..., list[str]]
) -> None:
    first, second = load_settings(*[{"DATA_DIR": str(tmp_path)}] * 2)
    assert len(first) >= len("SECRET_KEY is ") + 50
    assert first == second
    assert permissions_of(tmp_path / "secret_key") == "-rw-------"


def test_a_sign_on_that_cannot_be_meant_is_refused_and_the_variable_is_named(
    tmp_path: Path, load_settings: Callable[..., list[str]]
) -> None:
    keys, private, nothing = key_file(tmp_path, "first"), tmp_path / "private.pem", tmp_path / "nothing.pem"
    private.write_bytes(private_pem("first"))
    nothing.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    served, kept = tmp_path / "served.json", tmp_path / "kept.json"
    served.write_text(
        json.dumps({"keys": [RSAAlgorithm.to_jwk(private_key("first", "RS256").public_key(), as_dict=True)]})
    )
    kept.write_text(json.dumps({"keys": [RSAAlgorithm.to_jwk(private_key("first", "RS256"), as_dict=True)]}))
    secret, url = {"SIGN_ON_SECRET": SECRET}, "https://sign-on.example.org/jwks.json"
    right = [
        secret | {"SIGN_ON_ALGORITHMS": "HS256, HS384", "SIGN_ON_USER_CLAIM": ""},
        {"SIGN_ON_PUBLIC_KEY_FILE": keys},
        {"SIGN_ON_PUBLIC_KEY_FILE": str(served)},
        {"SIGN_ON_JWKS_URL": url, "SIGN_ON_ALGORITHMS": "EdDSA"},
        {"SIGN_ON_JWKS_URL": "http://localhost/jwks.json"},
    ]
    wrong: list[tuple[str, dict[str, str]]] = [
        ("SIGN_ON_ISSUER", {"SIGN_ON_ISSUER": "https://sign-on.example.org"}),
        ("SIGN_ON_JWKS_URL", secret | {"SIGN_ON_JWKS_URL": url}),
        ("SIGN_ON_SECRET", {"SIGN_ON_SECRET": "short"}),
        ("SIGN_ON_SECRET", secret | {"SIGN_ON_ALGORITHMS": "HS512"}),
        ("SIGN_ON_SECRET", {"SIGN_ON_SECRET": PRODUCTION["SECRET_KEY"]}),
        ("SIGN_ON_SECRET", {"SIGN_ON_SECRET": Path(keys).read_text()}),
        ("SIGN_ON_PUBLIC_KEY_FILE", {"SIGN_ON_PUBLIC_KEY_FILE": str(tmp_path / "missing.pem")}),
        ("SIGN_ON_PUBLIC_KEY_FILE", {"SIGN_ON_PUBLIC_KEY_FILE": str(tmp_path)}),
        ("SIGN_ON_PUBLIC_KEY_FILE", {"SIGN_ON_PUBLIC_KEY_FILE": str(private)}),
        ("SIGN_ON_PUBLIC_KEY_FILE", {"SIGN_ON_PUBLIC_KEY_FILE": str(kept)}),
        ("SIGN_ON_PUBLIC_KEY_FILE", {"SIGN_ON_PUBLIC_KEY_FILE": str(nothing)}),
        ("SIGN_ON_PUBLIC_KEY_FILE", {"SIGN_ON_PUBLIC_KEY_FILE": keys, "SIGN_ON_ALGORITHMS": "ES256"}),
        ("SIGN_ON_JWKS_URL", {"SIGN_ON_JWKS_URL": "http://sign-on.example.org/jwks.json"}),
        ("SIGN_ON_JWKS_URL", {"SIGN_ON_JWKS_URL": "file:///etc/passwd"}),
        ("SIGN_ON_JWKS_URL", {"SIGN_ON_JWKS_URL": "https://sign-on.example.org:port/"}),
        ("SIGN_ON_ALGORITHMS", secret | {"SIGN_ON_ALGORITHMS": "RS256"}),
        ("SIGN_ON_ALGORITHMS", secret | {"SIGN_ON_ALGORITHMS": "none"}),
        ("SIGN_ON_ALGORITHMS", {"SIGN_ON_PUBLIC_KEY_FILE": keys, "SIGN_ON_ALGORITHMS": "RS256,HS256"}),
        ("SIGN_ON_LEEWAY_SECONDS", secret | {"SIGN_ON_LEEWAY_SECONDS": "3600"}),
        ("SIGN_ON_LEEWAY_SECONDS", secret | {"SIGN_ON_LEEWAY_SECONDS": "5s"}),
    ]
    loaded = load_settings(*(PRODUCTION | each for each in (*right, *(each for _, each in wrong))))
    assert loaded[: len(right)] == [f"SECRET_KEY is {PRODUCTION['SECRET_KEY']}"] * len(right)
    assert len(loaded) == len(right) + len(wrong), "one line each"
    for (name, _), refusal in zip(wrong, loaded[len(right) :], strict=True):
        assert refusal.startswith(f"ImproperlyConfigured: {name} "), refusal
    assert SECRET not in str(loaded)
