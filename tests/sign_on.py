"""A stand-in for the platform's own sign-on: it issues tokens, and serves its public keys (JWKS) over HTTP."""

import contextlib
import functools
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.test import override_settings
from jwt.utils import base64url_encode

from pmo.environment.variables import Environment
from pmo.people.sign_on import sign_on_of
from tests.servers import serving

SECRET = "what the sign-on and we know, and nobody else does"
SERVED_SECRET = "what should never be served, and is it all the same"
ISSUER, AUDIENCE = "https://sign-on.example.org", "pmo"


def private_key(name: str, kind: str) -> Any:
    """The private key of this name, the same for a whole run and for all threads."""
    with _making:
        return _made(name, kind)


_making = threading.Lock()
"""`functools.cache` alone makes a second key if two threads ask at once, and returns each its own."""


@functools.cache
def _made(_name: str, kind: str) -> Any:
    if kind == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(name: str, kind: str = "RS256") -> bytes:
    public = private_key(name, kind).public_key()
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def private_pem(name: str) -> bytes:
    pem: bytes = private_key(name, "RS256").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def claims_of(name: Any, **changes: Any) -> dict[str, Any]:
    """What a token says; a claim that is None is left out."""
    now = int(time.time())
    claims = {"sub": name, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600} | changes
    return {claim: value for claim, value in claims.items() if value is not None}


def shared_token(name: Any, **changes: Any) -> str:
    return jwt.encode(claims_of(name, **changes), SECRET, "HS256")


def signed_token(name: Any, key: str = "first", kind: str = "RS256", **changes: Any) -> str:
    return jwt.encode(claims_of(name, **changes), private_key(key, kind), kind, headers={"kid": key})


@contextlib.contextmanager
def trusted(**variables: str) -> Iterator[None]:
    """A sign-on that these variables tell of is trusted while the block runs."""
    values = {"SIGN_ON_ISSUER": ISSUER, "SIGN_ON_AUDIENCE": AUDIENCE} | variables
    sign_on = sign_on_of(Environment(values), secret_key="another", production=True)
    assert sign_on
    with override_settings(SIGN_ON=sign_on):
        yield


class Served:
    """
    Keys that are served at an address.

    Attributes:
        names: of the keys.
        asked: how often they were asked for.
        answering: while it is not set, nobody gets an answer.
        status: what is answered.
    """

    def __init__(self) -> None:
        self.url = ""
        self.names, self.asked, self.status = ["first"], 0, 200
        self.answering = threading.Event()
        self.answering.set()

    def document(self) -> bytes:
        keys = []
        for name in self.names:
            key = jwt.algorithms.RSAAlgorithm.to_jwk(private_key(name, "RS256").public_key(), as_dict=True)
            keys.append({**key, "kid": name, "use": "sig", "alg": "RS256"})
        keys.append({"kty": "oct", "kid": "first", "k": base64url_encode(SERVED_SECRET.encode()).decode()})
        return json.dumps({"keys": keys}).encode()


@contextlib.contextmanager
def serving_keys() -> Iterator[Served]:
    """Serve keys over real HTTP while the block runs."""

    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked += 1
            served.answering.wait(20)
            with contextlib.suppress(OSError):
                self.send_response(served.status)
                self.end_headers()
                self.wfile.write(served.document())

    with serving(Handler) as url:
        served.url = f"{url}/jwks.json"
        try:
            yield served
        finally:
            served.answering.set()


def key_file(directory: Path, *names: str, kind: str = "RS256") -> str:
    """A file with these public keys, in PEM."""
    file = directory / "keys.pem"
    file.write_bytes(b"".join(public_pem(name, kind) for name in names))
    return str(file)
