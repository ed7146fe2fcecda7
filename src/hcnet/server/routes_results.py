"""The API's results."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response

from hcnet.errors import InputError
from hcnet.server.intake import incoming_nifti
from hcnet.server.look import REFERENCE
from hcnet.server.masks import chosen_mask, compare, mask_at, mask_facts, save_correction
from hcnet.server.models import (
    Comparison,
    Correction,
    Id,
    MaskFacts,
    ResultFacts,
    ResultListed,
)
from hcnet.server.results import FILES, Result
from hcnet.server.security import REPORT_POLICY
from hcnet.server.state import State
from hcnet.server.workspace import inside
from hcnet.volumes.nifti import read_nifti, write_nifti

Threshold = Annotated[float, Query(ge=0, le=1)]
MaybeThreshold = Annotated[
    float | None, Query(ge=0, le=1, description="Of the tumour; None: the stored mask.")
]
Which = Annotated[Literal["tumour", "tumour_corrected"], Query(description="Which stored mask.")]


def result_routes(state: State) -> APIRouter:
    """Routes below /api/results."""
    router = APIRouter(prefix="/api/results", tags=["results"])

    @router.get("")
    def list_results() -> list[ResultListed]:
        """Segmentations given at the start, then those made here."""
        return [result.listed() for result in state.results.all()]

    @router.get("/{result_id}")
    def get_result(result_id: Id) -> ResultFacts:
        """One segmentation: volumes, classes, the names of its files."""
        return state.result(result_id).facts()

    @router.get("/{result_id}/files/{name}", response_class=FileResponse)
    def get_file(result_id: Id, name: str) -> FileResponse:
        """A file as `hcnet segment` wrote it."""
        result = state.result(result_id)
        path = result.file(name)
        if path is None:
            raise HTTPException(404, "The result has no such file.")
        response = FileResponse(path, media_type=FILES[name], filename=name)
        if name == "report.html":
            response.headers["content-disposition"] = "inline"
            response.headers["content-security-policy"] = REPORT_POLICY
        return response

    @router.get("/{result_id}/tumour")
    def get_mask_facts(result_id: Id, threshold: Threshold) -> MaskFacts:
        """The tumour's volume at another threshold."""
        return mask_facts(state.result(result_id), threshold)

    @router.get("/{result_id}/tumour.nii.gz", response_class=Response)
    def get_mask(result_id: Id, threshold: Threshold) -> Response:
        """The tumour mask at another threshold."""
        mask = mask_at(state.result(result_id), threshold)
        with state.scratch() as folder:
            path = folder / "tumour.nii.gz"
            write_nifti(mask, path)
            content = path.read_bytes()
        name = f"tumour_{threshold:.3f}.nii.gz"
        return Response(
            content,
            media_type="application/gzip",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    @router.get("/{result_id}/comparison")
    def compare_with_cohort(
        result_id: Id, mask: Which = "tumour", threshold: MaybeThreshold = None
    ) -> Comparison:
        """Compare with the reference mask that the cohort has of this case."""
        result = state.result(result_id)
        return compare(
            chosen_mask(result, mask, threshold),
            read_nifti(_reference(state, result)),
            "the reference",
        )

    @router.put("/{result_id}/comparison")
    async def compare_with_upload(
        result_id: Id,
        request: Request,
        mask: Which = "tumour",
        threshold: MaybeThreshold = None,
    ) -> Comparison:
        """Compare with a reference mask; the body is a NIfTI file on the image's grid."""
        result = state.result(result_id)
        async with incoming_nifti(state, request) as path:
            return await state.in_thread(
                lambda: compare(
                    chosen_mask(result, mask, threshold), read_nifti(path), "the reference"
                )
            )

    @router.put("/{result_id}/correction")
    async def put_correction(
        result_id: Id, request: Request, threshold: MaybeThreshold = None
    ) -> Correction:
        """Save a corrected mask; the body is a NIfTI file of 0 and 1 on the image's grid.

        `threshold` is that of the mask which the correction began with.
        """
        result = state.result(result_id)
        async with incoming_nifti(state, request) as path:
            return await state.in_thread(lambda: save_correction(result, path, threshold))

    return router


def _reference(state: State, result: Result) -> Path:
    exam = state.exams.get(result.exam) if result.exam else None
    path = inside(exam.looked, REFERENCE) if exam is not None else None
    if path is None:
        raise InputError("There is no reference mask of this case here; send one.")
    return path
