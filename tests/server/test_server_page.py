"""Starting the server: what is checked before anything listens."""

import socket

import pytest

from hcnet.errors import ConfigError, InputError, ServerError
from hcnet.server.docs_page import docs_page
from hcnet.server.page import check_built
from hcnet.server.serve import TOKEN_VARIABLE, is_loopback, serve
from hcnet.server.settings import ServerSettings


def test_a_page_that_is_not_built_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr("hcnet.server.page.STATIC", tmp_path)
    with pytest.raises(InputError, match="make viewer"):
        check_built()


def test_what_is_loopback():
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "192.168.1.5", "desk", "localhost.evil.example"):  # noqa: S104
        assert not is_loopback(host)


def test_a_short_token_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "short")
    with pytest.raises(ConfigError, match=TOKEN_VARIABLE):
        serve(ServerSettings(tmp_path / "work"), "127.0.0.1", 0, print)
    assert not (tmp_path / "work").exists()


def test_a_port_in_use_is_said_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"127.0.0.1:{port}: cannot be listened on"):
            serve(ServerSettings(tmp_path / "work"), "127.0.0.1", port, print)


def test_the_docs_escape_what_they_show():
    call = {"description": "<script>", "responses": {"200": {"description": "ok"}}}
    page = docs_page(
        {
            "info": {"description": "a & b"},
            "paths": {"/<x>": {"get": call}},
            "components": {"schemas": {}},
        }
    )
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
