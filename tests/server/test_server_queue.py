"""The queue: order, cancel, failures, restarts."""

import json
from dataclasses import replace

import pytest
from server_parts import client_of, wait_for

from hcnet.errors import InputError
from hcnet.server.queue import MOST_ATTEMPTS, Queue
from hcnet.server.workspace import Workspace


@pytest.fixture
def queue_job(nifti):
    def add(client, name):
        params = {"name": f"{name}.nii.gz"}
        exam = client.put("/api/upload", content=nifti, params=params).json()
        return client.post("/api/jobs", json={"exam": exam["id"]}).json()["id"]

    return add


def state(client, job):
    return client.get(f"/api/jobs/{job}").json()["state"]


def test_jobs_are_done_one_after_the_other(client, queue_job):
    jobs = [queue_job(client, name) for name in ("a", "bad", "crash", "b")]
    wait_for(lambda: state(client, jobs[-1]) == "done")
    told = client.get("/api/jobs").json()
    assert [job["id"] for job in told] == jobs
    assert [job["state"] for job in told] == ["done", "failed", "failed", "done"]
    assert told[1]["error"] == "the image shows nothing."
    assert "broke off with code 70" in told[2]["error"]


def test_cancel_ends_the_process(client, settings, queue_job):
    running, waiting = queue_job(client, "slow"), queue_job(client, "later")
    wait_for(lambda: client.get(f"/api/jobs/{running}").json()["progress"]["step"] == "map")
    told = client.get(f"/api/jobs/{running}").json()
    assert told["progress"] == {"description": "segmenting", "step": "map", "done": 1, "total": 3}
    assert client.delete(f"/api/jobs/{running}").status_code == 409
    client.post(f"/api/jobs/{waiting}/cancel")
    client.post(f"/api/jobs/{running}/cancel")
    wait_for(lambda: state(client, running) == "cancelled")
    assert state(client, waiting) == "cancelled"
    assert not (settings.workspace / "jobs" / waiting / "pid").exists()
    assert not list((settings.workspace / "jobs" / running).glob("*out"))  # nor what lay aside
    client.post(f"/api/jobs/{waiting}/again")
    wait_for(lambda: state(client, waiting) == "done")
    assert client.delete(f"/api/jobs/{waiting}").status_code == 204
    assert client.get(f"/api/jobs/{waiting}").status_code == 404
    assert not (settings.workspace / "jobs" / waiting).exists()


def test_a_running_job_is_queued_again_by_the_next_server(settings, queue_job):
    with client_of(settings) as client:
        running, waiting = queue_job(client, "slow"), queue_job(client, "b")
        wait_for(lambda: client.get(f"/api/jobs/{running}").json()["progress"]["done"] == 1)
    jobs = settings.workspace / "jobs"
    assert json.loads((jobs / running / "job.json").read_text())["state"] == "running"
    with client_of(settings) as client:
        wait_for(lambda: state(client, running) == "running")
        assert client.get(f"/api/jobs/{running}").json()["attempts"] == 2
        client.post(f"/api/jobs/{running}/cancel")
        wait_for(lambda: state(client, waiting) == "done")


def test_a_job_that_ends_the_server_again_and_again_waits_for_a_person(tmp_path):
    folder = tmp_path / "jobs"
    job = Queue(folder).add("0" * 16, "case", None, tta=False)
    for _ in range(MOST_ATTEMPTS):
        queue = Queue(folder)
        taken = queue.take()
        assert taken is not None
        assert taken.id == job.id
    queue = Queue(folder)
    assert [job.state for job in queue.all()] == ["interrupted"]
    queue.again(job.id)
    assert [(job.state, job.attempts) for job in queue.all()] == [("queued", 0)]


def test_a_damaged_job_is_named(tmp_path):
    job = Queue(tmp_path).add("0" * 16, "case", None, tta=False)
    (tmp_path / job.id / "job.json").write_text("{}")
    with pytest.raises(InputError, match=r"job\.json: is damaged"):
        Queue(tmp_path)


def test_without_a_bundle_nothing_is_queued(settings, nifti):
    with client_of(replace(settings, bundle=None)) as client:
        assert client.get("/api/about").json()["bundle"] is None
        exam = client.put("/api/upload", content=nifti).json()
        answer = client.post("/api/jobs", json={"exam": exam["id"]})
        assert answer.status_code == 409
        assert "--look-only" in answer.json()["detail"]


def test_orders_are_checked(client):
    unknown = {"exam": "0" * 16}
    assert client.post("/api/jobs", json=unknown).status_code == 404
    assert client.post("/api/jobs", json={**unknown, "threshold": 2}).status_code == 422
    assert client.post("/api/jobs", json={**unknown, "out": "/tmp"}).status_code == 422


def test_a_workspace_has_one_server_and_nothing_else_in_it(tmp_path):
    first = Workspace(tmp_path / "work")
    with pytest.raises(InputError, match="another `hcnet serve`"):
        Workspace(tmp_path / "work")
    first.close()
    Workspace(tmp_path / "work").close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="is no workspace"):
        Workspace(tmp_path / "other")
