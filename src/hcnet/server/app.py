"""The application: routes, errors, the page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from hcnet import __version__
from hcnet.errors import HcnetError
from hcnet.inference.names import NOTICE
from hcnet.kinetics.palette import TUMOUR
from hcnet.server.docs_page import docs_page
from hcnet.server.models import About
from hcnet.server.page import STATIC, index_page
from hcnet.server.routes_exams import exam_routes
from hcnet.server.routes_jobs import job_routes
from hcnet.server.routes_results import result_routes
from hcnet.server.security import Guard, Policy, TooLargeError
from hcnet.server.settings import ServerSettings
from hcnet.server.state import State


def create_app(settings: ServerSettings) -> FastAPI:
    """The server as an ASGI application; work begins when it starts and ends with it.

    Raises:
        HcnetError: the workspace, a cohort, a result or the bundle cannot be used.
    """
    state = State(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        state.start()
        try:
            yield
        finally:
            state.close()

    app = FastAPI(
        title="hcnet",
        version=__version__,
        description=f"Breast tumour segmentation on this computer. {NOTICE}",
        lifespan=lifespan,
        docs_url=None,  # their pages would fetch scripts from the network
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    policy = Policy(
        hosts=settings.extra_hosts,
        plain_addresses=settings.token is not None,
        token=settings.token,
        largest_upload=settings.largest_upload,
    )
    app.add_middleware(Guard, policy=policy)
    app.add_exception_handler(HcnetError, _input_error)
    app.add_exception_handler(TooLargeError, _too_large)

    @app.get("/api/about", tags=["server"])
    def about() -> About:
        """What this server is and may do."""
        return About(
            version=__version__,
            notice=NOTICE,
            bundle=state.bundle,
            largest_upload=settings.largest_upload,
            tumour_colour=TUMOUR.lower(),
        )

    @app.get("/api/docs", response_class=HTMLResponse, include_in_schema=False)
    def docs() -> str:
        """The API, listed."""
        return docs_page(app.openapi())

    for routes in (exam_routes, job_routes, result_routes):
        app.include_router(routes(state))

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def index() -> str:
        """The viewer."""
        return index_page()

    app.mount("/static", StaticFiles(directory=STATIC, check_dir=False), name="static")
    return app


async def _input_error(request: Request, error: Exception) -> JSONResponse:
    del request
    return JSONResponse({"detail": str(error)}, 422)


async def _too_large(request: Request, error: Exception) -> JSONResponse:
    del request, error
    return JSONResponse({"detail": "The upload is larger than this server takes."}, 413)
