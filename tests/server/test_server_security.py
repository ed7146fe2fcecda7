"""Who is let in, what is never read, and what is said with every answer."""

import base64
import hashlib
from dataclasses import replace

import pytest
from server_parts import LOCAL, client_of

from hcnet.report.script import SCRIPT
from hcnet.server.page import STATIC

TOKEN = "a token of enough letters"  # noqa: S105


HOSTS = {
    "127.0.0.1:8765": 200,
    "localhost:9000": 200,  # a tunnel has another port
    "[::1]:8765": 200,
    "evil.example": 421,
    "127.0.0.1.evil.example": 421,
    "192.168.1.5": 421,
    "localhost@evil.example": 421,
    "[::1": 421,
    "": 421,
}


def test_only_our_own_names_are_answered(client):
    told = {h: client.get("/api/about", headers={"host": h}).status_code for h in HOSTS}
    assert told == HOSTS


def test_changes_come_from_our_page_or_from_scripts(client):
    for headers in ({}, {"origin": LOCAL}):
        assert client.post("/api/uploads", headers=headers).status_code == 201
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert client.post("/api/uploads", headers=headers).status_code == 403


def test_a_token_is_wanted_for_everything(settings):
    with client_of(replace(settings, token=TOKEN), follow_redirects=False) as client:
        for path in ("/", "/api/about", "/static/viewer.js", "/api/openapi.json"):
            assert client.get(path).status_code == 401
        assert client.post("/api/uploads").status_code == 401
        assert client.get("/", params={"token": "wrong"}).status_code == 401
        assert client.get("/api/about", params={"token": TOKEN}).status_code == 401
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/api/about", headers=bearer).status_code == 200
        moved = client.get("/", params={"token": TOKEN})
        assert (moved.status_code, moved.headers["location"]) == (303, "/")
        assert "httponly" in moved.headers["set-cookie"].lower()
        assert client.get("/api/about").status_code == 200  # by the cookie


def test_with_a_token_plain_addresses_are_answered_and_other_names_not(settings):
    with client_of(replace(settings, token=TOKEN, extra_hosts=frozenset({"desk"}))) as client:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        for host, status in (("192.168.1.5:80", 200), ("desk:80", 200), ("evil.example", 421)):
            assert client.get("/api/about", headers=bearer | {"host": host}).status_code == status


def test_every_answer_forbids_framing_sniffing_and_foreign_scripts(client, result):
    for path in ("/api/about", "/api/docs", "/nowhere"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"


def test_a_report_has_no_origin_and_no_network(client):
    (found,) = client.get("/api/results").json()
    report = client.get(f"/api/results/{found['id']}/files/report.html")
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert "connect-src" not in policy


def test_of_a_report_only_the_script_that_hcnet_wrote_runs(client):
    (found,) = client.get("/api/results").json()
    policy = client.get(f"/api/results/{found['id']}/files/report.html").headers[
        "content-security-policy"
    ]
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src ")]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert scripts == f"script-src 'sha256-{digest}'"


def test_no_other_file_is_given_out(client, tmp_path, result):
    (tmp_path / "secret.txt").write_text("hidden words")
    (result / "secret.txt").write_text("hidden words")
    (found,) = client.get("/api/results").json()
    for name in (
        "secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "....//secret.txt",
        "%2Fetc%2Fpasswd",
        "summary.json%00.html",
        ".lock",
    ):
        answer = client.get(f"/api/results/{found['id']}/files/{name}")
        assert answer.status_code == 404, name
        assert "hidden words" not in answer.text


def test_a_link_that_leads_out_of_a_result_is_not_followed(client, tmp_path, result):
    (tmp_path / "secret").write_text("secret")
    (result / "report.html").unlink()
    (result / "report.html").symlink_to(tmp_path / "secret")
    (found,) = client.get("/api/results").json()
    assert client.get(f"/api/results/{found['id']}/files/report.html").status_code == 404


def test_identifiers_are_ours_or_nothing(client):
    for kind in ("exams", "jobs", "results", "uploads"):
        for bad in ("..", "ABCDEF0123456789", "0123456789abcde", "%2e%2e%2f"):
            for method in ("GET", "DELETE"):
                answer = client.request(method, f"/api/{kind}/{bad}")
                assert answer.status_code in (404, 405, 422), (kind, bad)


def test_a_message_that_is_no_upload_is_small(client):
    big = "x" * (1 << 20)
    answer = client.post("/api/jobs", json={"exam": big})
    assert answer.status_code == 413


@pytest.mark.skipif(not STATIC.is_dir(), reason="the viewer's page is not built; run `make viewer`")
def test_static_files_do_not_lead_outside(client):
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"):
        assert client.get(path).status_code == 404


def test_the_docs_and_the_schema_need_no_network(client):
    page = client.get("/api/docs").text
    assert "http://" not in page
    assert "https://" not in page
    assert "/api/results/{result_id}/correction" in page
    assert client.get("/api/openapi.json").json()["openapi"].startswith("3.1")
