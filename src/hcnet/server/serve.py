"""Opening the port, and who may come in through it."""

import ipaddress
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import uvicorn

from hcnet.errors import ConfigError, ServerError
from hcnet.server.app import create_app
from hcnet.server.settings import ServerSettings

TOKEN_VARIABLE = "HCNET_SERVE_TOKEN"  # noqa: S105
SHORTEST_TOKEN = 16
_PATIENCE_S = 3


def serve(
    settings: ServerSettings,
    host: str,
    port: int,
    announce: Callable[[str], None],
    *,
    ask_token: bool = False,
) -> None:
    """Serve until interrupted.

    Beyond loopback nobody is let in without a token: that of the environment variable
    `HCNET_SERVE_TOKEN`, or a new one.

    Args:
        settings: without a token.
        host: address to listen on.
        port: 0 takes any free one.
        announce: told the address to open, once connections are taken.
        ask_token: want a token on loopback too.

    Raises:
        ServerError: the address cannot be listened on.
        ConfigError: the token is too short.
        HcnetError: as `create_app`.
    """
    loopback = is_loopback(host)
    token = _token(needed=ask_token or not loopback)
    hosts = frozenset() if loopback else frozenset({host.lower(), socket.gethostname().lower()})
    with _listening(host, port) as opened:
        app = create_app(replace(settings, token=token, extra_hosts=hosts))
        config = uvicorn.Config(
            app, log_level="warning", server_header=False, timeout_graceful_shutdown=_PATIENCE_S
        )
        shown = host if loopback else socket.gethostname() if _is_any(host) else host
        name = f"[{shown}]" if ":" in shown else shown
        secret = "" if token is None else f"?token={quote(token)}"
        announce(f"http://{name}:{opened.getsockname()[1]}/{secret}")
        try:
            uvicorn.Server(config).run(sockets=[opened])
        except KeyboardInterrupt:  # how a server ends
            return


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token(*, needed: bool) -> str | None:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        return secrets.token_urlsafe(24) if needed else None
    if len(given) < SHORTEST_TOKEN or not given.isascii() or not given.isprintable():
        raise ConfigError(
            f"{TOKEN_VARIABLE}: give at least {SHORTEST_TOKEN} plain characters, or unset it to "
            "get a new token."
        )
    return given


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ServerError(
            f"{host}:{port}: cannot be listened on ({_reason(error)}); "
            "give another --host or --port."
        ) from error


def _reason(error: Exception) -> str:
    # The socket module appends the address to the system's own words.
    return str(getattr(error, "strerror", None) or error).partition(" (while")[0]


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
