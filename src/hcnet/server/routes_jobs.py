"""The API's queue."""

from fastapi import APIRouter, HTTPException

from hcnet.server.models import Id, JobFacts, Order
from hcnet.server.queue import OVER
from hcnet.server.state import State


def job_routes(state: State) -> APIRouter:
    """Routes below /api/jobs."""
    router = APIRouter(prefix="/api/jobs", tags=["jobs"])

    @router.get("")
    def list_jobs() -> list[JobFacts]:
        """All jobs, oldest first."""
        return state.queue.all()

    @router.post("", status_code=201)
    def add_job(order: Order) -> JobFacts:
        """Queue an exam for segmentation, as `hcnet segment` would do it."""
        if state.bundle is None:
            raise HTTPException(409, "Start `hcnet serve` without --look-only to segment.")
        exam = state.exam(order.exam)
        if exam.error:
            raise HTTPException(409, f"The exam cannot be read: {exam.error}")
        return state.queue.add(exam.id, exam.name, order.threshold, tta=order.tta)

    @router.get("/{job_id}")
    def get_job(job_id: Id) -> JobFacts:
        """One job and its progress; once it is done, /api/results/ID has what it gave."""
        return state.job(job_id)

    @router.post("/{job_id}/cancel")
    def cancel_job(job_id: Id) -> JobFacts:
        """Take a job from the queue, or end it if it runs; its process is terminated."""
        state.job(job_id)
        state.queue.cancel(job_id)
        return state.job(job_id)

    @router.post("/{job_id}/again")
    def run_again(job_id: Id) -> JobFacts:
        """Queue a job anew that failed, was cancelled or interrupted."""
        state.job(job_id)
        state.queue.again(job_id)
        return state.job(job_id)

    @router.delete("/{job_id}", status_code=204)
    def delete_job(job_id: Id) -> None:
        """Delete a job that is over, with its results."""
        if state.job(job_id).state not in OVER:
            raise HTTPException(409, "The job is not over; cancel it first.")
        state.queue.remove(job_id)

    return router
