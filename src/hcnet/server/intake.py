"""A NIfTI mask that comes as the body of a request and is not kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import HTTPException, Request

from hcnet.server.content import check_nifti, is_gzip, kind_of_content
from hcnet.server.state import State


@asynccontextmanager
async def incoming_nifti(state: State, request: Request) -> AsyncIterator[Path]:
    """The body as a file, deleted afterwards.

    Raises:
        HTTPException: it is no NIfTI file.
        InputError: it unpacks to an absurd size.
    """
    with state.scratch() as folder:
        received = folder / "mask"
        with received.open("wb") as stream:
            async for block in request.stream():
                stream.write(block)
        if kind_of_content(received) != "nifti":
            raise HTTPException(415, "A mask is sent as a NIfTI file.")
        path = received.rename(folder / ("mask.nii.gz" if is_gzip(received) else "mask.nii"))
        check_nifti(path)
        yield path
