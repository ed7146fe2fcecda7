"""HTTP as DICOMweb needs it: credentials, sizes and time limited, every failure a sentence."""

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.util.retry import Retry

from hcnet.errors import ConfigError, ServerError
from hcnet.pacs.address import WebAddress
from hcnet.pacs.study import shown

USER, PASSWORD, TOKEN = "HCNET_PACS_USER", "HCNET_PACS_PASSWORD", "HCNET_PACS_TOKEN"

_TIMEOUT_S = (10.0, 120.0)
"""To connect, and between two pieces of an answer."""
_BLOCK = 1 << 18
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True)
class Answer:
    """Status, media type with its parameters, and the whole body of an answer."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deep") from None


class WebSession:
    """Requests to one DICOMweb service.

    Credentials come from HCNET_PACS_USER and HCNET_PACS_PASSWORD, from HCNET_PACS_TOKEN (a bearer
    token), or else from netrc. No redirect is followed, so that neither they nor images go to
    another address than the one given.

    Raises:
        ConfigError: the credentials cannot be sent.
    """

    def __init__(self, address: WebAddress) -> None:
        self.url = address.url
        self._session = requests.Session()
        self._session.auth = _credentials()
        # A busy server is asked again, up to three times within some seconds.
        patience = Retry(
            total=3, connect=0, read=0, other=0, status=3, status_forcelist=_BUSY,
            allowed_methods={"GET"}, backoff_factor=0.5, respect_retry_after_header=False,
            raise_on_status=False,
        )  # fmt: skip
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=patience))

    def get(self, path: str, accept: str, limit: int, params: Mapping[str, str]) -> Answer:
        """GET below the root, up to `limit` bytes.

        Raises:
            ServerError: no connection, or any status but success.
        """
        answer = self._send("GET", path, {"Accept": accept}, limit, params=params)
        self.require(answer)
        return answer

    def post(self, path: str, headers: Mapping[str, str], body: bytes, limit: int) -> Answer:
        """POST below the root; the caller looks at the status.

        Raises:
            ServerError: no connection, or an answer above `limit` bytes.
        """
        return self._send("POST", path, headers, limit, data=body)

    def require(self, answer: Answer) -> None:
        """Raise a ServerError where the status is not success."""
        status = answer.status
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ServerError(
                f"{self.url}: refuses our credentials, or wants some ({_named(status)}); set "
                f"{USER} and {PASSWORD}, or {TOKEN}, or write a netrc entry."
            )
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            raise ServerError(
                f"{self.url}: has no DICOMweb service there, or not what was asked for "
                f"({_named(status)}); check the path of the address."
            )
        if 300 <= status < 400:
            raise ServerError(
                f"{self.url}: points to another address ({_named(status)}), which is not "
                "followed; give the right one, https:// perhaps."
            )
        if not 200 <= status < 300:
            raise ServerError(f"{self.url}: answers with a failure ({_named(status)}).")

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], limit: int, **more: Any
    ) -> Answer:
        try:
            with self._session.request(
                method, f"{self.url}/{path}", headers=dict(headers), stream=True,
                timeout=_TIMEOUT_S, allow_redirects=False, **more,
            ) as response:  # fmt: skip
                body = bytearray()
                for block in response.iter_content(_BLOCK):
                    body += block
                    if len(body) > limit:
                        raise ServerError(
                            f"{self.url}: answers with more than {limit / 1e6:.0f} MB, which "
                            "nothing that was asked for can have."
                        )
                kind = response.headers.get("Content-Type", "")
                return Answer(response.status_code, kind, bytes(body))
        except (requests.RequestException, OSError) as error:
            raise ServerError(f"{self.url}: {_trouble(error)}") from error


def _credentials() -> AuthBase | None:
    user, token = os.environ.get(USER), os.environ.get(TOKEN)
    if user and token:
        raise ConfigError(f"{USER} and {TOKEN} are both set; unset one.")
    if token:
        if not (token.isascii() and token.isprintable()):
            raise ConfigError(f"{TOKEN}: a token is one line of ASCII characters.")
        return _Bearer(token.strip())
    if user:
        return _Basic(user, os.environ.get(PASSWORD, ""))
    return None


class _Basic(HTTPBasicAuth):
    def __init__(self, user: str, password: str) -> None:
        # As UTF-8: requests would send Latin-1, and fail on anything else.
        super().__init__(user.encode(), password.encode())


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _named(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _trouble(error: Exception) -> str:
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({shown(cause.verify_message)}); "
                "REQUESTS_CA_BUNDLE can name a file with the authority of your hospital."
            )
        if isinstance(cause, ssl.SSLError):
            return f"no secure connection ({shown(cause.reason)}); does it speak https there?"
    if isinstance(error, requests.Timeout):
        return "does not answer in time; is the server running, and reachable from here?"
    words = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    last = causes[-1]
    bare = str(last) if type(last) is OSError else type(last).__name__
    why = shown(words[-1] if words else bare)
    return f"cannot be reached, or broke off ({why}); is the server running, the address right?"
