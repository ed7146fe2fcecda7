"""The API's exams and uploads."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse

from hcnet.errors import InputError
from hcnet.server.curves import curve_at
from hcnet.server.exams import Exam
from hcnet.server.look import PRE, REFERENCE
from hcnet.server.models import Curve, Draft, ExamFacts, Id, Received
from hcnet.server.state import State
from hcnet.server.workspace import inside

Name = Annotated[str, Query(max_length=1000, description="What people call it; shown only.")]
FilePath = Annotated[
    str,
    Query(
        max_length=1000,
        description="What people call it, with its path below the folder sent; shown only.",
    ),
]
Index = Annotated[int, Query(ge=0, le=1 << 20)]
NOT_OURS = "Neither NIfTI, nor DICOM, nor a zip of DICOM."


def exam_routes(state: State) -> APIRouter:
    """Routes below /api for exams."""
    router = APIRouter(prefix="/api", tags=["exams"])

    @router.get("/exams")
    def list_exams() -> list[ExamFacts]:
        """Exams that were uploaded, and cases of the cohorts given at the start."""
        return [exam.facts() for exam in state.exams.all()]

    @router.get("/exams/{exam_id}")
    def get_exam(exam_id: Id) -> ExamFacts:
        """One exam with what was found in it; a case of a cohort is read when first asked for."""
        exam = state.exam(exam_id)
        state.exams.want(exam)
        return exam.facts(full=True)

    @router.delete("/exams/{exam_id}", status_code=204)
    def delete_exam(exam_id: Id) -> None:
        """Delete an upload. Cases of a cohort are never touched."""
        exam = state.exam(exam_id)
        if exam.origin != "upload":
            raise HTTPException(409, "A case of a cohort is read in place and not deleted.")
        if any(
            job.exam == exam_id and job.state in ("queued", "running") for job in state.queue.all()
        ):
            raise HTTPException(409, "The exam is being segmented; cancel that first.")
        state.exams.remove(exam)

    @router.get("/exams/{exam_id}/pre.nii.gz", response_class=FileResponse)
    def get_image(exam_id: Id) -> FileResponse:
        """The pre-contrast image."""
        return _looked(state.exam(exam_id), PRE)

    @router.get("/exams/{exam_id}/reference.nii.gz", response_class=FileResponse)
    def get_reference(exam_id: Id) -> FileResponse:
        """The reference mask, where the cohort has one."""
        return _looked(state.exam(exam_id), REFERENCE)

    @router.get("/exams/{exam_id}/curve")
    def get_curve(exam_id: Id, i: Index, j: Index, k: Index) -> Curve:
        """The time-intensity curve of a voxel of the pre-contrast image."""
        return curve_at(state.exam(exam_id), (i, j, k))

    @router.put("/upload", status_code=201)
    async def upload(request: Request, name: Name = "exam") -> ExamFacts:
        """Upload an exam that is one file: NIfTI, or a zip of DICOM. The body is the file."""
        draft = state.uploads.begin()
        try:
            kind = await state.uploads.take(draft, 0, name, request.stream())
            if kind is None:
                raise HTTPException(415, NOT_OURS)
            return state.uploads.complete(draft, name).facts()
        finally:
            state.uploads.give_up(draft)

    @router.post("/uploads", status_code=201)
    def begin_upload() -> Draft:
        """Begin an upload of several files: NIfTI phases, or the DICOM files of one exam."""
        return Draft(id=state.uploads.begin())

    @router.put("/uploads/{draft_id}/files/{number}")
    async def upload_file(
        draft_id: Id, number: int, request: Request, name: FilePath = "file"
    ) -> Received:
        """Send one file as the body; `number` is its place among the others, from 0."""
        try:
            return Received(kind=await state.uploads.take(draft_id, number, name, request.stream()))
        except KeyError:
            raise HTTPException(404, "There is no such upload.") from None

    @router.post("/uploads/{draft_id}/complete", status_code=201)
    def complete_upload(draft_id: Id, name: Name = "exam") -> ExamFacts:
        """Make an exam of the files that were sent."""
        try:
            return state.uploads.complete(draft_id, name).facts()
        except KeyError:
            raise HTTPException(404, "There is no such upload.") from None

    @router.delete("/uploads/{draft_id}", status_code=204)
    def give_up_upload(draft_id: Id) -> None:
        """Delete an upload that is not complete."""
        state.uploads.give_up(draft_id)

    return router


def _looked(exam: Exam, name: str) -> FileResponse:
    path = inside(exam.looked, name) if exam.ready else None
    if path is None:
        raise InputError(f"{exam.name}: has no {name}, or is not read yet.")
    return FileResponse(path, media_type="application/gzip")
