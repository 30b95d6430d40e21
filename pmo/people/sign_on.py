"""
Tokens of the platform's own sign-on: how they are verified, and whom they name.

SimpleJWT supports one issuer, which is ours, and its JWKS client blocks requests while it fetches; so PyJWT, which it
builds on, verifies these.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from pmo.environment.hosts import is_web_address
from pmo.environment.variables import Environment, Kind, shown
from pmo.people.sign_on_keys import BadKeys, Key, KnownKeys, ServedKeys, keys_of_file

SHARED = ("HS256", "HS384", "HS512")
PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SECRET, FILE, URL = SOURCES = ("SIGN_ON_SECRET", "SIGN_ON_PUBLIC_KEY_FILE", "SIGN_ON_JWKS_URL")
"""The environment variables of which one says how to trust tokens; without any there is no sign-on."""
USER_CLAIM, LEEWAY_SECONDS = "sub", 5
FURTHER = {
    **dict.fromkeys(("SIGN_ON_ALGORITHMS", "SIGN_ON_ISSUER", "SIGN_ON_AUDIENCE"), ""),
    "SIGN_ON_USER_CLAIM": USER_CLAIM,
    "SIGN_ON_LEEWAY_SECONDS": str(LEEWAY_SECONDS),
}
"""Those that say more of it, and their defaults."""
MAX_LEEWAY_SECONDS = 60
MAX_CHARACTERS = 255
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
ADDRESS = Kind(is_web_address, "begin it with http:// or https://, as in https://sign-on.example.org/jwks.json")
SAFE_ADDRESS = Kind(
    lambda url: is_web_address(url) and (url.lower().startswith("https:") or urlsplit(url).hostname in LOCAL_HOSTS),
    "begin it with https://: production fetches keys in no other way",
)


class Claims(NamedTuple):
    """
    The claims of a verified sign-on token.

    Attributes:
        name: its owner, from the configured claim.
        issued_s: seconds since the epoch, minus the allowed clock skew, so never later than it was really issued;
            long ago without `iat`.
        expires_s: seconds since the epoch.
    """

    name: str
    issued_s: int
    expires_s: int


class SignOn(NamedTuple):
    """
    Attributes:
        algorithms: accepted algorithms, whatever a token's header says.
        leeway_s: how far ahead the sign-on's clock may be.
    """

    keys: KnownKeys
    algorithms: tuple[str, ...]
    issuer: str | None
    audience: list[str] | None
    user_claim: str
    leeway_s: int

    def read(self, text: bytes) -> Claims:
        """
        Raises:
            PyJWTError: not one of its tokens, or expired.
            KeysUnknown: its keys are unavailable, so that cannot be decided now.
        """
        header = jwt.get_unverified_header(text)
        if header.get("alg") not in self.algorithms:
            raise jwt.InvalidAlgorithmError("Not signed with an algorithm of the sign-on.")
        claims = self._verified(text, header)
        name = claims[self.user_claim]
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not is_name(name):
            raise jwt.InvalidTokenError("It has no user name.")
        expires_s = int(claims["exp"])
        if expires_s <= time.time():  # the leeway applies to `iat` and `nbf` only
            raise jwt.ExpiredSignatureError("It has expired.")
        return Claims(name, int(claims.get("iat") or 0) - self.leeway_s, expires_s)

    def _verified(self, text: bytes, header: Mapping[str, Any]) -> dict[str, Any]:
        refusal: Exception = jwt.InvalidKeyError("No key of the sign-on has this name.")
        for key in self.keys.find(header.get("kid")):
            if key.algorithm not in (None, header["alg"]):
                continue
            try:
                return jwt.decode(
                    text,
                    key.key,
                    algorithms=list(self.algorithms),
                    issuer=self.issuer,
                    audience=self.audience,
                    leeway=self.leeway_s,
                    options={"require": ["exp", self.user_claim], "verify_sub": False, "verify_jti": False},
                )
            except jwt.InvalidSignatureError as error:
                refusal = error  # another key may match
            except (TypeError, ValueError, jwt.InvalidKeyError) as error:  # a key for another kind of signature
                refusal = jwt.InvalidTokenError(str(error))
        raise refusal


def is_name(text: str) -> bool:
    """Whether a token may carry this name."""
    return 0 < len(text) <= MAX_CHARACTERS and text.isprintable()


def start_fetching() -> None:
    """Fetch the served keys before the first token arrives."""
    sign_on: SignOn | None = settings.SIGN_ON
    if sign_on is not None and isinstance(sign_on.keys, ServedKeys):
        sign_on.keys.begin_fetch()


def sign_on_of(variables: Environment, *, secret_key: str, production: bool) -> SignOn | None:
    """
    The sign-on configured by these variables, if any.

    Args:
        secret_key: what our own tokens are signed with.
    Raises:
        ImproperlyConfigured: they are invalid or contradict each other; the message names the variable.
    """
    given = [name for name in SOURCES if variables.text(name)]
    if not given:
        for name, default in FURTHER.items():
            if variables.text(name, default) != default:
                raise ImproperlyConfigured(f"{name} is set, but none of {', '.join(SOURCES)} says how to trust tokens.")
        return None
    if len(given) > 1:
        raise ImproperlyConfigured(f"{given[1]} and {given[0]} are both set: tokens are trusted by one of them.")
    (source,) = given
    # A public key must never be used as a shared secret.
    possible, usual = (SHARED, ("HS256",)) if source == SECRET else (PUBLIC, ("RS256", "ES256"))
    kind = Kind(possible.__contains__, f"with {source} it can be any of {', '.join(possible)}")
    algorithms = tuple(variables.items("SIGN_ON_ALGORITHMS", kind, usual))
    if variables.text(SECRET) == secret_key:
        raise ImproperlyConfigured("SIGN_ON_SECRET is SECRET_KEY: whoever shares it could make our own tokens too.")
    return SignOn(
        _keys(source, variables, algorithms, production=production),
        algorithms,
        variables.text("SIGN_ON_ISSUER") or None,
        variables.items("SIGN_ON_AUDIENCE") or None,
        variables.text("SIGN_ON_USER_CLAIM", USER_CLAIM),
        variables.whole("SIGN_ON_LEEWAY_SECONDS", LEEWAY_SECONDS, 0, MAX_LEEWAY_SECONDS),
    )


def _keys(source: str, variables: Environment, algorithms: tuple[str, ...], *, production: bool) -> KnownKeys:
    value = variables.text(source)
    if source == SECRET:
        return KnownKeys([_secret(value, algorithms, production=production)])
    if source == URL:
        return ServedKeys(variables.word(URL, SAFE_ADDRESS if production else ADDRESS))
    try:
        keys = keys_of_file(value)
    except BadKeys as error:
        raise ImproperlyConfigured(f"SIGN_ON_PUBLIC_KEY_FILE is {shown(value)}: {error}.") from error
    usable = [key for key in keys if any(_fits(key, algorithm) for algorithm in algorithms)]
    if not usable:
        raise ImproperlyConfigured(
            f"SIGN_ON_PUBLIC_KEY_FILE is {shown(value)}: it has no public key for {' or '.join(algorithms)}."
        )
    return KnownKeys(usable)


def _secret(value: str, algorithms: tuple[str, ...], *, production: bool) -> Key:
    for name in algorithms:
        algorithm: Any = jwt.get_algorithm_by_name(name)
        try:
            too_short = algorithm.check_key_length(algorithm.prepare_key(value))
        except jwt.InvalidKeyError as error:
            raise ImproperlyConfigured(f"SIGN_ON_SECRET is not a secret: {error}") from error
        if too_short and production:
            raise ImproperlyConfigured(f"SIGN_ON_SECRET can be guessed: {name} takes a longer one (RFC 7518, 3.2).")
    return Key(None, None, value)


def _fits(key: Key, algorithm: str) -> bool:
    """Whether the key is of the kind the algorithm takes."""
    try:
        jwt.get_algorithm_by_name(algorithm).prepare_key(key.key)
    except (jwt.InvalidKeyError, TypeError, ValueError):
        return False
    return key.algorithm in (None, algorithm)
