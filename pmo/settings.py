"""
Settings of the platform. Only this module reads the environment.

Every variable is listed, with its default, in docs/settings.md.
"""

import logging.config
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from corsheaders.defaults import default_headers
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from cache_layer import Location, Options
from pmo.database.address import database_of
from pmo.environment.hosts import ALLOWED_HOST, COLLECTOR, CONTACT_ADDRESS, ORIGIN, ORIGINS, in_url
from pmo.environment.hosts import REDIS_HOST as PLAIN_HOST
from pmo.environment.listener import Listener
from pmo.environment.variables import Environment
from pmo.monitoring.logs import LEVELS, logging_config
from pmo.people.sign_on import sign_on_of
from pmo.run import embedded
from pmo.run.engines import valkey
from pmo.schemas import schema_version
from pmo.web.navigation import NAVIGATION

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment(os.environ)
os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")  # resolver(5): a silent name server costs 1 s, not 10

YEAR_SECONDS, YEAR_MINUTES, YEAR_DAYS = 31_536_000, 525_600, 365

if os.environ.get("ENVIRONMENT") == "":  # set but empty was not meant as development
    raise ImproperlyConfigured("ENVIRONMENT is empty: it must be one of development, production.")
PRODUCTION = env.choice("ENVIRONMENT", "development", ("development", "production")) == "production"
DEBUG = env.flag("DEBUG", default=False)
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / ".data"))).absolute()
try:
    EMBEDDED = embedded.Endpoints.of(DATA_DIR)
    SECRET_KEY = env.text("SECRET_KEY") or (
        "" if PRODUCTION else embedded.read_or_create_secret(DATA_DIR / "secret_key")
    )
except OSError as error:
    raise ImproperlyConfigured(f"DATA_DIR is {str(DATA_DIR)!r}: {error.strerror}. Name a directory of yours.") from None

# --- Secrets and hosts ------------------------------------------------------------------------------------------------

if not SECRET_KEY:
    raise ImproperlyConfigured("Set SECRET_KEY: production has no default.")
if PRODUCTION and (len(SECRET_KEY) < 32 or len(set(SECRET_KEY)) < 5):  # it signs tokens: RFC 7518, 3.2
    raise ImproperlyConfigured("SECRET_KEY can be guessed: give it 32 characters or more, made at random.")

ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", ALLOWED_HOST, () if PRODUCTION else ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS", ORIGINS)
BEHIND_TLS_PROXY = env.flag("BEHIND_TLS_PROXY", default=True)
SECURITY_CONTACT = env.word("SECURITY_CONTACT", CONTACT_ADDRESS)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", default=False)
if SECURE_HSTS_PRELOAD and not SECURE_HSTS_INCLUDE_SUBDOMAINS:
    raise ImproperlyConfigured("HSTS_PRELOAD is true: browsers' lists want HSTS_INCLUDE_SUBDOMAINS too.")

if PRODUCTION:
    if DEBUG:
        raise ImproperlyConfigured("Production refuses to start with DEBUG on.")
    if not ALLOWED_HOSTS:
        raise ImproperlyConfigured("Set ALLOWED_HOSTS: the names this server answers to, comma-separated.")
    if BEHIND_TLS_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        SECURE_SSL_REDIRECT = True
        SECURE_REDIRECT_EXEMPT = [r"^health$", r"^healthz$", r"^readyz$", r"^metrics$"]
        SECURE_HSTS_SECONDS = 31_536_000
        AXES_CLIENT_IP_CALLABLE = "pmo.people.authentication.address_behind_proxy"
        SESSION_COOKIE_SECURE = True
        CSRF_COOKIE_SECURE = True

# --- Engines ----------------------------------------------------------------------------------------------------------

if PRODUCTION and not env.text("DATABASE_URL"):
    raise ImproperlyConfigured("Set DATABASE_URL: production never uses the embedded PostgreSQL.")
DATABASE_POOL_SIZE = env.whole("DATABASE_POOL_SIZE", 8, 0, 1_000)
DATABASES = {"default": database_of(env.text("DATABASE_URL", EMBEDDED.database_url), pooled=DATABASE_POOL_SIZE > 0)}
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": env.whole("DATABASE_CONNECT_TIMEOUT_SECONDS", 2, 1, 3_600),
    # On a dead network, waits without a deadline (the relay, commands) fail within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
} | DATABASES["default"].get("OPTIONS", {})
POOL_TIMEOUT_SECONDS = env.seconds("DATABASE_POOL_TIMEOUT_SECONDS", 2.0, 0.01, 3_600)
if DATABASE_POOL_SIZE:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": DATABASE_POOL_SIZE,
        "timeout": POOL_TIMEOUT_SECONDS,
        "reconnect_timeout": 1.0,  # the next request retries; a backoff of minutes helps nobody
    }
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # a restarted PostgreSQL fails no request
DATABASES["default"]["TEST"] = {"NAME": f"test_{DATABASES['default']['NAME']}"}

REDIS_HOST, REDIS_URL = env.text("REDIS_HOST"), env.text("REDIS_URL")
if PRODUCTION and not (REDIS_HOST or REDIS_URL):
    raise ImproperlyConfigured("Set REDIS_HOST or REDIS_URL: production never uses the embedded Valkey.")
if not REDIS_URL:
    REDIS_URL = "redis://{host}:{port}/{db}".format(
        host=in_url(env.word("REDIS_HOST", PLAIN_HOST, valkey.HOST)),
        port=env.whole("REDIS_PORT", 6379 if REDIS_HOST else EMBEDDED.valkey_port, 1, 65_535),
        db=env.whole("REDIS_DB", 0, 0, 65_535),
    )
REDIS_PASSWORD = env.text("REDIS_PASSWORD") or None

CACHE_LAYER: dict[str, Any] = {
    name: env.whole(f"CACHE_{name.upper()}", getattr(Options, name), *limits) for name, limits in Options.LIMITS.items()
} | {
    "cache_alias": "entity_metadata",
    "write_policy": env.choice("CACHE_WRITE_POLICY", Options.write_policy, ("available", "strict")),
    "relay": env.flag("CACHE_RELAY", default=Options.relay),
    "purge_patterns": ["*django.contrib.sessions*"],  # or a snapshot would bring back sessions that were logged out
}
CACHE_LAYER["schema_version"] += schema_version() - 1
if env.text("CACHE_EXPRESS_LANE") == "0" and not env.text("CACHE_EXPRESS_LANE_BYTES"):
    CACHE_LAYER["express_lane_bytes"] = 0  # the old variable, from before it was a number of bytes
_lease, _hold = CACHE_LAYER["local_lease_ms"], CACHE_LAYER["hold_ms"]
if _hold <= 2 * _lease:
    raise ImproperlyConfigured(
        f"CACHE_HOLD_MS is {_hold}: it must be more than twice CACHE_LOCAL_LEASE_MS, which is {_lease}, or holds end"
        " while their writers still wait."
    )

REQUEST_BUDGET_MS = env.whole("REQUEST_BUDGET_MS", 2_000, 0, 3_600_000)
_least = 4 * (CACHE_LAYER["socket_timeout_ms"] + _lease)
if 0 < REQUEST_BUDGET_MS < _least:
    raise ImproperlyConfigured(
        f"REQUEST_BUDGET_MS is {REQUEST_BUDGET_MS}: a quarter of it is for updating Redis after a write, so it must be"
        f" at least four times CACHE_SOCKET_TIMEOUT_MS and CACHE_LOCAL_LEASE_MS together, {_least}; or 0 for no limit."
    )

# One pool for the three aliases: django-redis keeps pools by URL.
_redis = Location.in_caches(REDIS_URL, REDIS_PASSWORD, Options.of(CACHE_LAYER)) | {
    "BACKEND": "django_redis.cache.RedisCache",
}
_redis["OPTIONS"] |= {
    "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
    # Sessions and short-lived values are backed by the database: without Redis they are simply not cached.
    "IGNORE_EXCEPTIONS": True,
    "CLIENT_CLASS": "cache_layer.upkeep.own_keys.OwnKeys",
}
CACHES: dict[str, dict[str, Any]] = {
    "default": {**_redis, "TIMEOUT": 60, "KEY_PREFIX": "default"},
    "sessions": {**_redis, "TIMEOUT": 3600, "KEY_PREFIX": "sessions"},
    "entity_metadata": {
        **_redis,
        "BACKEND": "cache_layer.backend.CoherentCache",
        "OPTIONS": _redis["OPTIONS"] | {"LOOKUP": "entity"},
        "TIMEOUT": env.whole("CACHE_TTL_SECONDS", 300, 1, YEAR_SECONDS),
    },
}
SESSION_ENGINE = "pmo.people.sessions"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_FAILURE_VIEW = "pmo.web.errors.form_refused"
CSRF_COOKIE_HTTPONLY = True  # our scripts read the token from the page

# --- Application ------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "import_export",
    "lucide",
    "pghistory",
    "pgtrigger",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "cache_layer",
    "entities",
    "pmo",
]

MIDDLEWARE = [
    "pmo.web.middleware.RequestBudgetMiddleware",
    "pmo.web.middleware.AnyHostMiddleware",
    "pmo.web.middleware.CookielessAPIMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pmo.web.security.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "pmo.web.compression.CompressionMiddleware",
    "pmo.web.middleware.ServiceUnavailableMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pmo.people.provenance.ProvenanceMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

if CORS_ALLOWED_ORIGINS := env.items("CORS_ALLOWED_ORIGINS", ORIGIN):
    # First of all, so that preflights are answered before authentication, and every error has CORS headers.
    MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = (*default_headers, "if-match", "if-none-match")
CORS_EXPOSE_HEADERS = ("ETag", "Location", "Retry-After", "WWW-Authenticate", "Warning", "X-Cache")

ROOT_URLCONF = "pmo.urls"
WSGI_APPLICATION = "pmo.wsgi.application"
APPEND_SLASH = False
# W045: a raw SQL constraint, which forms check with a validator. W005, W021: HSTS for subdomains and preloading are the
# domain owner's decision.
SILENCED_SYSTEM_CHECKS = ["models.W045", "security.W005", "security.W021"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["lucide.templatetags.lucide"],
        },
    }
]

USE_I18N = False
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None  # in development they are served from the packages
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION
WHITENOISE_ALLOW_ALL_ORIGINS = False
if PRODUCTION:
    STORAGES = global_settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # the confirmation page sends every selected code
FILE_UPLOAD_HANDLERS = ["pmo.web.requests.BoundedUpload", *global_settings.FILE_UPLOAD_HANDLERS[1:]]

# --- Authentication ---------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "pmo.people.authentication.UsernameOrEmailBackend",
]
PASSWORD_HASHERS = ["pmo.people.hashers.PBKDF2OutsideDeadline", *global_settings.PASSWORD_HASHERS[1:]]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_REDIRECT_URL = "admin:index"

AXES_FAILURE_LIMIT = env.whole("LOGIN_FAILURE_LIMIT", 10, 1, 1_000_000)
AXES_COOLOFF_TIME = timedelta(minutes=env.whole("LOGIN_COOLOFF_MINUTES", 5, 1, YEAR_MINUTES))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "pmo.people.authentication.name_attempted"
AXES_VERBOSE = False

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.whole("ACCESS_TOKEN_MINUTES", 60, 1, YEAR_MINUTES)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.whole("REFRESH_TOKEN_DAYS", 7, 1, 10 * YEAR_DAYS)),
    "AUTH_TOKEN_CLASSES": ["pmo.people.tokens.AccessToken"],
    "LEEWAY": 5,  # for clocks that are ahead; tokens expire exactly on time
    "CHECK_REVOKE_TOKEN": True,
}

SIGN_ON = sign_on_of(env, secret_key=SECRET_KEY, production=PRODUCTION)

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["pmo.people.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.DjangoModelPermissions"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "entities.api.media.AlwaysJSON",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["entities.api.media.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "entities.api.errors.exception_handler",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "PMO entity types",
    "DESCRIPTION": "Entity types of a PMO platform, served from Redis and never stale.",
    "VERSION": "1",
    "TAGS": [
        {"name": "auth", "description": "A token, for everything below."},
        {"name": "reading", "description": "For everyone with a token."},
        {"name": "writing", "description": "For users with the permission to add, change or delete entity types."},
        {"name": "cache", "description": "For staff."},
        {"name": "health", "description": "For load balancers and monitoring; no token."},
    ],
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": True, "validatorUrl": None},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [],  # enums stay inline
}

UNFOLD = {
    "SITE_TITLE": "PMO entity types",
    "SITE_HEADER": "PMO entity types",
    "SITE_SYMBOL": "category",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("entities/favicon.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": lambda _: {},  # in a stylesheet rather than in every page
    "STYLES": [
        lambda _, name=name: static(f"entities/{name}.css")
        for name in ("colors", "site", "list", "form", "history", "map", "dashboard")
    ],
    "SCRIPTS": [lambda _: static("entities/htmx.js"), lambda _: static("entities/keyboard.js")],
    "SIDEBAR": {"navigation": NAVIGATION},
    "DASHBOARD_CALLBACK": "entities.admin.home.describe_home",
}

# --- Monitoring -------------------------------------------------------------------------------------------------------

METRICS_TOKEN = env.text("METRICS_TOKEN")
if not (METRICS_TOKEN.isascii() and METRICS_TOKEN.isprintable() and METRICS_TOKEN.strip() == METRICS_TOKEN):
    raise ImproperlyConfigured("METRICS_TOKEN can't be sent in a header: use ASCII, and no space around it.")
for _name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
    env.word(_name, COLLECTOR)

PORT = Listener.of(os.environ).port

# --- Logs -------------------------------------------------------------------------------------------------------------

LOGGING_CONFIG = None
LOGGING = logging_config(
    level=env.choice("LOG_LEVEL", "INFO", LEVELS),
    file=env.text("LOG_FILE"),
)
logging.config.dictConfig(LOGGING)
