import sys

import pytest

from hcnet.errors import ConfigError, MissingExtraError
from hcnet.pacs.address import DimseAddress, WebAddress, parse_address
from hcnet.pacs.server import open_server


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://localhost:8042/dicom-web", WebAddress("http://localhost:8042/dicom-web")),
        ("https://pacs.example/rs/", WebAddress("https://pacs.example/rs")),
        ("dicom://ORTHANC@localhost:4242", DimseAddress("ORTHANC", "localhost", 4242)),
        ("dicom://MY%20PACS@10.0.0.7:104/", DimseAddress("MY PACS", "10.0.0.7", 104)),
        ("dicom://A@[::1]:11112", DimseAddress("A", "::1", 11112)),
    ],
)
def test_addresses(text, expected):
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:8042",
        "ftp://localhost/",
        "http:///dicom-web",
        "http://h/dicom-web?x=1",
        "http://h\n/x",
        "http://h:port/",
        "dicom://localhost:104",
        "dicom://A@localhost",
        "dicom://A@localhost:104/path",
        "dicom://SEVENTEENLETTERSX@localhost:104",
        "dicom://A%5CB@localhost:104",
        "dicom://%20@localhost:104",
    ],
)
def test_other_addresses_are_refused(text):
    with pytest.raises(ConfigError, match="SERVER"):
        parse_address(text)


@pytest.mark.parametrize("text", ["http://me:secret@h/", "dicom://A:secret@h:104"])
def test_a_password_in_the_address_is_refused_and_not_repeated(text):
    with pytest.raises(ConfigError, match="HCNET_PACS_PASSWORD") as raised:
        parse_address(text)
    assert "secret" not in str(raised.value)


def test_a_user_name_in_the_address_is_refused():
    with pytest.raises(ConfigError, match="HCNET_PACS_USER"):
        parse_address("http://me@h/")


def test_own_title_is_checked():
    with pytest.raises(ConfigError, match="--aet"):
        open_server("dicom://A@localhost:104", "x" * 17)


@pytest.mark.parametrize(
    ("module", "address"),
    [("pynetdicom", "dicom://A@localhost:104"), ("requests", "http://localhost/dicom-web")],
)
def test_without_the_extra(module, address, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("dimse", "contexts", "web", "web_session"):
        monkeypatch.delitem(sys.modules, f"hcnet.pacs.{name}", raising=False)
    with pytest.raises(MissingExtraError, match=rf"{module}; pip install 'hcnet\[pacs\]'"):
        open_server(address, "HCNET")
