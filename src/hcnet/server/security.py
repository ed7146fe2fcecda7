"""Who may ask: the Host header, the origin of a change, the token, the size; and what is answered.

The server reads exams, so a page from elsewhere that is open in the same browser must neither read
from it nor change anything. Names that lead to loopback after a change of DNS ("rebinding") are
refused by the Host header, forms and scripts of other pages by the Origin header.
"""

import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hcnet.report.script import SCRIPT_SOURCE

COOKIE = "hcnet_token"
SAFE_METHODS = frozenset({"GET", "HEAD"})
LARGEST_MESSAGE = 1 << 20
"""Bytes of a request that is no upload."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    f"sandbox allow-scripts; default-src 'none'; script-src {SCRIPT_SOURCE}; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:"
)
"""For a report, which holds all it needs: no origin, no network, no script but the report's own.

A report of an hcnet with another script shows its pictures, as it does where scripts are off."""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class TooLargeError(Exception):
    """A request's body is larger than allowed."""


@dataclass(frozen=True)
class Policy:
    """What is let through.

    Attributes:
        hosts: names in the Host header beside loopback and plain addresses, in lower case.
        plain_addresses: whether any IP address is a good Host, as where others may connect.
        token: what every request must show, or None.
        largest_upload: bytes of the body of a PUT request.
    """

    hosts: frozenset[str]
    plain_addresses: bool
    token: str | None
    largest_upload: int


class Guard:
    """ASGI middleware that applies a `Policy` to every request."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app = app
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is not let through, or pass it on with the headers added."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        limit = self.policy.largest_upload if scope["method"] == "PUT" else LARGEST_MESSAGE
        refused = (
            self._host(headers)
            or self._origin(scope["method"], headers)
            or self._entry(scope, headers, query.get("token", []))
            or self._size(headers, limit)
        )
        answer: ASGIApp = refused or self.app
        await answer(scope, _counted(receive, limit), _with_headers(send))

    def _host(self, headers: Headers) -> ASGIApp | None:
        if _host_is_ours(headers.get("host", ""), self.policy):
            return None
        return _refusal(421, "This server does not answer under that name.")

    def _origin(self, method: str, headers: Headers) -> ASGIApp | None:
        if method in SAFE_METHODS:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        ours = origin is None or urlsplit(origin).netloc == headers.get("host")
        if ours and site in ("same-origin", "none"):
            return None
        return _refusal(403, "Changes are taken from this server's own page only.")

    def _entry(self, scope: Scope, headers: Headers, given: list[str]) -> ASGIApp | None:
        token = self.policy.token
        if token is None:
            return None
        if scope["path"] == "/" and _same(given, token):
            # The token goes from the address into a cookie, so that no history keeps it.
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
            return response
        if _same(_shown(headers), token):
            return None
        return _refusal(401, "Open the address with the token that `hcnet serve` printed.")

    def _size(self, headers: Headers, limit: int) -> ASGIApp | None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) <= limit:
            return None
        return _refusal(413, f"The body is larger than {limit} bytes.")


def _host_is_ours(host: str, policy: Policy) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name in policy.hosts:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return policy.plain_addresses or address.is_loopback


def _shown(headers: Headers) -> Iterable[str]:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield bearer.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return
    if cookie is not None:
        yield cookie.value


def _same(given: Iterable[str], token: str) -> bool:
    return any(hmac.compare_digest(text.encode(), token.encode()) for text in given)


def _refusal(status: int, text: str) -> ASGIApp:
    return PlainTextResponse(text + "\n", status)


def _counted(receive: Receive, limit: int) -> Receive:
    """`receive` that stops a body which is longer than it said."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLargeError
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("content-security-policy", PAGE_POLICY)
        await send(message)

    return sending
