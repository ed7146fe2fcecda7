"""Where a server is: `http(s)://host:port/path` speaks DICOMweb, `dicom://AET@host:port` DIMSE."""

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from hcnet.errors import ConfigError

_AE_TITLE_LENGTH = 16


@dataclass(frozen=True)
class WebAddress:
    """Root of a DICOMweb service, without a slash at its end."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class DimseAddress:
    """An application entity (AE): its title, and where it listens."""

    title: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"dicom://{self.title}@{host}:{self.port}"


Address = WebAddress | DimseAddress


def parse_address(text: str) -> Address:
    """Understand SERVER of the command line.

    Raises:
        ConfigError: neither of the two forms, or it holds a password. A command line can be read
            by everybody on the machine and stays in the shell's history.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"SERVER: the address cannot be understood ({error}).") from None
    if parts.password is not None:
        raise ConfigError(
            "SERVER: the address holds a password; give it by HCNET_PACS_USER and "
            "HCNET_PACS_PASSWORD or by netrc, never on the command line."
        )
    if not parts.hostname or not _plain(text):
        raise _unknown(text)
    if parts.scheme in {"http", "https"}:
        return _web(text, parts)
    if parts.scheme == "dicom":
        if port is None or parts.path.strip("/") or parts.query or parts.fragment:
            raise _unknown(text)
        title = check_title(unquote(parts.username or ""), f"SERVER {text}")
        return DimseAddress(title, parts.hostname, port)
    raise _unknown(text)


def check_title(title: str, where: str) -> str:
    """An AE title, without the spaces around it (PS3.5, value representation AE).

    Raises:
        ConfigError: empty, longer than 16 characters, or with a character that is not allowed.
    """
    stripped = title.strip(" ")
    if not 0 < len(stripped) <= _AE_TITLE_LENGTH or not _plain(stripped) or "\\" in stripped:
        raise ConfigError(
            f"{where}: {title!r} is no AE title; it has 1 to 16 ASCII characters and no backslash."
        )
    return stripped


def _web(text: str, parts: SplitResult) -> WebAddress:
    if parts.username is not None:
        raise ConfigError(
            f"SERVER {text}: holds a user name; give it by HCNET_PACS_USER or by netrc."
        )
    if parts.query or parts.fragment:
        raise _unknown(text)
    return WebAddress(text.rstrip("/"))


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _unknown(text: str) -> ConfigError:
    return ConfigError(
        f"SERVER {text}: is no address; give http://HOST:PORT/dicom-web or https://... for "
        "DICOMweb, or dicom://AET@HOST:PORT."
    )
