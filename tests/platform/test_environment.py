"""Every variable of docs/settings.md, whatever is in it: it works as documented, or is refused by its name."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jwt.algorithms import RSAAlgorithm

from cache_layer.options import Options
from pmo import settings
from tests.docs.pages import documented_settings
from tests.platform.running import bare_environment, permissions_of
from tests.servers import ROOT, free_port, run_program
from tests.sign_on import SECRET, key_file, private_key, private_pem

KINDS = {"word": "some", "empty": "", "negative": "-1", "zero": "0", "fraction": "1.5", "huge": "9" * 30}
ANY = "word empty negative zero fraction huge"
NAMES = "word empty zero fraction huge"
"""What can be a host: not what begins with a hyphen."""
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "a key that is long enough, and has many different characters: 0123456789",
    "ALLOWED_HOSTS": "pmo.example.org",
    "DATABASE_URL": "postgresql://pmo:hush@db/pmo",
    "REDIS_HOST": os.environ["REDIS_HOST"],
    "REDIS_PORT": os.environ["REDIS_PORT"],
}
ACCEPTED = {
    "ENVIRONMENT": "",
    "DATABASE_POOL_TIMEOUT_SECONDS": "empty fraction",
    **dict.fromkeys(("REDIS_HOST", "ALLOWED_HOSTS"), NAMES),
    **dict.fromkeys(("REDIS_PASSWORD", "SECRET_KEY", "METRICS_TOKEN", "DATA_DIR", "LOG_FILE"), ANY),
    **{f"SIGN_ON_{name}": ANY for name in ("SECRET", "ISSUER", "AUDIENCE", "USER_CLAIM")},
    **dict.fromkeys(("REDIS_DB", "DATABASE_POOL_SIZE", "REQUEST_BUDGET_MS", "HOST", "DEBUG"), "empty zero"),
    **dict.fromkeys(("BEHIND_TLS_PROXY", "HSTS_INCLUDE_SUBDOMAINS", "HSTS_PRELOAD", "CACHE_RELAY"), "empty zero"),
    "SIGN_ON_LEEWAY_SECONDS": "empty zero",
    **{f"CACHE_{name.upper()}": "empty zero" for name, (least, _) in Options.LIMITS.items() if not least},
}
"""What a variable takes of `KINDS`; those that are not here take nothing but an empty value."""
MORE_ACCEPTED = [
    ("REDIS_HOST", "::1"),
    ("REDIS_HOST", "[fe80::1]"),
    ("REDIS_URL", "redis://:p%40ss@[::1]:6380/3"),
    ("REDIS_URL", "rediss://cache.example.org?ssl_ca_certs=/ca.pem&socket_timeout=1"),
    ("DATABASE_URL", "postgres://pmo:%23@db:6432/pmo?sslmode=require&application_name=pmo&connect_timeout=5"),
    ("DATABASE_URL", "postgresql://pmo@/pmo?host=%2Frun%2Fpostgresql"),
    ("ALLOWED_HOSTS", "*, .example.org,[::1]"),
    ("CSRF_TRUSTED_ORIGINS", "https://*.example.org,https://pmo.example.org:8443"),
    ("CORS_ALLOWED_ORIGINS", "https://app.example.org, http://localhost:5173"),
    ("CORS_ALLOWED_ORIGINS", "http://[::1]:3000,"),
    ("BEHIND_TLS_PROXY", "No"),
    ("SECURITY_CONTACT", "mailto:security@example.org"),
    ("SECURITY_CONTACT", "https://example.org/security"),
    ("LOG_LEVEL", "DEBUG"),
    ("PORT", " 65535\n"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
    ("CACHE_WRITE_POLICY", "strict"),
    ("REQUEST_BUDGET_MS", "1028"),
]
MORE_REFUSED = [
    ("ENVIRONMENT", " "),
    ("REDIS_PORT", "tcp://10.0.0.5:6379"),
    ("REDIS_HOST", "redis://cache"),
    ("REDIS_HOST", "redis://:hush@cache"),
    ("REDIS_HOST", "cache:6379"),
    ("REDIS_DB", "1" * 5000),
    ("REDIS_URL", "http://cache"),
    ("REDIS_URL", "redis://:hush/@cache:6379/0"),
    ("REDIS_URL", "redis://:hush@[::1/0"),
    ("REDIS_URL", "redis://pmo:6/hush@cache:6379/0"),
    ("REDIS_URL", "redis://pmo:6?hush=1@cache:6379/0"),
    ("REDIS_URL", "redis://cache:0"),
    ("REDIS_URL", "redis://cache/main"),
    ("REDIS_URL", "redis://cache?decode_responses=1"),
    ("REDIS_URL", "redis://cache?ssl_ca_certs=/ca.pem"),
    ("DATABASE_URL", "mysql://pmo:hush@db/pmo"),
    ("DATABASE_URL", "postgresql://pmo:hush/@db/pmo"),
    ("DATABASE_URL", "postgresql://pmo:hush@db"),
    ("DATABASE_URL", "postgresql://pmo:hush#@db/pmo"),
    ("DATABASE_URL", "postgresql://pmo:hush@db:70000/pmo"),
    ("DATABASE_URL", "postgresql://pmo:hush@db:0/pmo"),
    ("DATABASE_URL", "postgresql://pmo:hush@db/pmo?conn_max_age=600"),
    ("DATABASE_URL", "postgresql://pmo:hush@db/pmo?autocommit=False"),
    ("DATABASE_URL", "postgresql://pmo:hush@db/pmo?atomic_requests=sometimes"),
    ("DATABASE_URL", "postgresql://pmo:hush@db/pmo?connect_timeout=0"),
    ("DATABASE_URL", "postgresql://pmo:hush@db/pmo?pool=4"),
    ("DATABASE_POOL_TIMEOUT_SECONDS", "nan"),
    ("HOST", "x" * 300),
    ("WORKERS", "٢"),
    ("ALLOWED_HOSTS", "https://pmo.example.org"),
    ("ALLOWED_HOSTS", "pmo.example.org:443"),
    ("CSRF_TRUSTED_ORIGINS", "pmo.example.org"),
    ("CSRF_TRUSTED_ORIGINS", "https://pmo.example.org/"),
    *(("CORS_ALLOWED_ORIGINS", each) for each in ("*", "null", "app.example.org", "https://app.example.org/")),
    *(("CORS_ALLOWED_ORIGINS", each) for each in ("https://App.example.org", "https://a:443")),
    ("BEHIND_TLS_PROXY", "perhaps"),
    ("SECURITY_CONTACT", "security@example.org"),
    ("SECURITY_CONTACT", "mailto:a@example.org\nExpires: never"),
    ("SECURITY_CONTACT", "http://example.org/security"),
    ("HSTS_PRELOAD", "true"),
    ("DATA_DIR", "/dev/null"),
    ("LOG_LEVEL", "verbose"),
    ("LOG_FILE", "/no/such/directory/log"),
    ("METRICS_TOKEN", "with a line's end\n"),
    ("METRICS_TOKEN", "tökén"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "user:hush@collector:4318"),
    ("SIGN_ON_JWKS_URL", "https:/user:hush@sign-on.example.org/jwks.json"),
    ("REQUEST_BUDGET_MS", "1027"),
    ("CACHE_HOLD_MS", "14"),
    ("CACHE_LOCAL_LEASE_MS", "2500"),
    ("CACHE_SOCKET_TIMEOUT_MS", "494"),
    ("SIGN_ON_LEEWAY_SECONDS", "1" * 5000),
]
LOAD = """
import json, os, sys
sys.path.insert(0, os.getcwd())
settings = os.path.abspath("pmo/settings.py")
from pmo.environment.listener import Listener
code = compile(open(settings).read(), settings, "exec")
show = lambda value: str(value) if type(value).__module__ in ("datetime", "pathlib") else type(value).__name__
ours, bare = json.loads(sys.argv[1]), dict(os.environ)
for line in sys.stdin:
    directory, environments, names = json.loads(line)
    os.chdir(directory)
    found = []
    for environment in environments:
        os.environ.clear()
        os.environ.update({name: value for name, value in bare.items() if name not in ours} | environment)
        try:
            listener = Listener.of(os.environ)
            if environment.get("HOST"):
                listener.find_free()
            loaded = {"__file__": settings, "__name__": "settings"}
            exec(code, loaded)
            loaded["PORT"] = repr(listener)
            found.append([{name: loaded[name] for name in names}, ""])
        except Exception as error:
            found.append([None, f"{type(error).__name__}: {error}"])
    print(json.dumps(found, default=show), flush=True)
"""
Load = Callable[..., list[tuple[Any, str]]]


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    """Loads the settings in each environment; gives those of these names, or what is said instead."""
    command = [sys.executable, "-W", "ignore", "-c", LOAD, json.dumps(list(documented_settings()))]
    resolving = {"RES_OPTIONS": "timeout:1 attempts:1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=bare_environment(**resolving), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as loader:
        assert loader.stdin is not None
        assert loader.stdout is not None

        def ask(directory: Path, environments: list[dict[str, str]], *names: str) -> list[tuple[Any, str]]:
            loader.stdin.write(json.dumps([str(directory), environments, names]) + "\n")
            loader.stdin.flush()
            return [(values, said) for values, said in json.loads(loader.stdout.readline())]

        yield ask
        loader.stdin.close()


def test_a_default_is_what_is_said(load: Load, tmp_path: Path) -> None:
    documented = documented_settings()
    assert ACCEPTED.keys() <= documented.keys()
    names = [name for name in vars(settings) if name.isupper()]
    common = {"DATA_DIR": str(tmp_path), "SECRET_KEY": "of this test", "REDIS_HOST": "cache", "SIGN_ON_SECRET": SECRET}
    said = {name: default for name, default in documented.items() if default}
    [unset, *each] = load(tmp_path, [common, *(common | {name: default} for name, default in said.items())], *names)
    for name, found in zip(said, each, strict=True):
        assert found == unset, name


def test_whatever_is_in_a_variable_works_or_is_refused_in_one_line_that_names_it(load: Load, tmp_path: Path) -> None:
    cases = [
        (name, value, kind in ACCEPTED.get(name, "empty").split())
        for name in documented_settings()
        for kind, value in KINDS.items()
    ]
    cases += [(*case, True) for case in MORE_ACCEPTED] + [(*case, False) for case in MORE_REFUSED]
    common = {"DATA_DIR": str(tmp_path), "SECRET_KEY": "of this test", "PORT": str(free_port())}
    environments = [
        common
        | ({"REDIS_HOST": "cache"} if name == "REDIS_PORT" else {})
        | ({"SIGN_ON_SECRET": SECRET} if name not in ("SIGN_ON_PUBLIC_KEY_FILE", "SIGN_ON_JWKS_URL") else {})
        | {name: value}
        for name, value, _ in cases
    ]
    for (name, value, accepted), (_, said) in zip(cases, load(tmp_path, environments), strict=True):
        case = f"{name}={value[:80]!r}: {said}"
        assert bool(said) is not accepted, case
        if said:
            assert said.startswith(("ImproperlyConfigured: ", "InvalidOptions: ")), case
            assert name in said, case
            assert "\n" not in said, case
            assert len(said) < 400, case
            assert "hush" not in said, case


def test_the_largest_that_is_accepted_is_what_is_said_when_more_is_refused(load: Load, tmp_path: Path) -> None:
    common = {"DATA_DIR": str(tmp_path), "SECRET_KEY": "of this test", "REQUEST_BUDGET_MS": "0"}
    common |= {"CACHE_HOLD_MS": str(Options.LIMITS["hold_ms"][1])}
    names = [f"CACHE_{name.upper()}" for name in Options.LIMITS]
    most = dict(zip(names, (str(most) for _, most in Options.LIMITS.values()), strict=True))
    further = {"CACHE_WRITE_POLICY": "strict", "CACHE_RELAY": "false", "CACHE_TTL_SECONDS": "301"}
    [(accepted, _)] = load(tmp_path, [common | most | further], "CACHE_LAYER", "CACHES")
    wanted = {name: top for name, (_, top) in Options.LIMITS.items()} | {"write_policy": "strict", "relay": False}
    assert accepted["CACHE_LAYER"].items() >= wanted.items()
    assert accepted["CACHES"]["entity_metadata"]["TIMEOUT"] == 301
    refused = load(tmp_path, [common | {name: str(int(value) + 1)} for name, value in most.items()])
    for name, (_, said) in zip(names, refused, strict=True):
        assert re.search(rf"{name} is '{int(most[name]) + 1}': .* to {most[name]}\.$", said), said


def test_a_secret_is_what_is_in_its_variable(load: Load, tmp_path: Path) -> None:
    secrets = ("$HOME and more of it", "$$", "${PATH}", r"\$x", "%24", "'x'", " x ")
    environments = [
        {
            "DATA_DIR": str(tmp_path),
            "SECRET_KEY": secret,
            "REDIS_PASSWORD": secret,
            "METRICS_TOKEN": secret.strip(),
            "DATABASE_URL": "postgresql://pmo:$HOME$@db/$pmo",
            "x": "another",
        }
        for secret in secrets
    ]
    names = ("SECRET_KEY", "REDIS_PASSWORD", "METRICS_TOKEN", "DATABASES")
    for secret, (found, said) in zip(secrets, load(tmp_path, environments, *names), strict=True):
        assert said == ""
        read = (found["SECRET_KEY"], found["REDIS_PASSWORD"], found["METRICS_TOKEN"])
        assert read == (secret, secret, secret.strip())
        database = found["DATABASES"]["default"]
        assert (database["PASSWORD"], database["NAME"]) == ("$HOME$", "$pmo")


def test_an_empty_variable_is_an_unset_one_but_never_turns_production_off(load: Load, tmp_path: Path) -> None:
    empty = dict.fromkeys(documented_settings().keys() - {"ENVIRONMENT", *PRODUCTION}, "")
    names = ("ALLOWED_HOSTS", "SECURE_SSL_REDIRECT", "CACHE_LAYER")
    production = PRODUCTION | {"DATA_DIR": str(tmp_path)}
    whole, unset = load(tmp_path, [empty | production, production], *names)
    assert whole == unset
    [(_, said)] = load(tmp_path, [production | {"ENVIRONMENT": ""}])
    assert said.startswith("ImproperlyConfigured: ENVIRONMENT is empty")


def test_a_server_and_a_command_say_it_in_one_line(tmp_path: Path) -> None:
    for command, name, value in (
        (("-m", "pmo.serve"), "LOG_LEVEL", "verbose"),
        (("manage.py", "check"), "CACHE_TTL_SECONDS", "0"),
    ):
        variables = {"DATA_DIR": str(tmp_path), "PORT": str(free_port()), name: value}
        ended = run_program(sys.executable, "-W", "ignore", *command, env=bare_environment(**variables))
        assert (ended.returncode, ended.stderr.count("\n"), ended.stderr.split()[0]) == (1, 1, name), ended.stderr


@pytest.fixture
def load_settings(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
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
    production = bare_environment(**PRODUCTION, DATA_DIR=str(tmp_path))
    checked = run_program(sys.executable, "-W", "ignore", "-c", CHECK_AND_ASK, env=production)
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


def test_subdomains_and_preloading_are_a_choice(load: Load, tmp_path: Path) -> None:
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
