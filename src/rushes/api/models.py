"""Which models are here, in the two list dialects the client generations read, and whose key this is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Query

from rushes.api.auth import Owner
from rushes.api.document import failures
from rushes.api.door import AtDoor
from rushes.api.replies import KeyName, ModelRow, Named, ProjectModels, SupportedModel, SupportedModels, WhoAmI
from rushes.catalogue.limits import limits
from rushes.catalogue.lookup import Offer
from rushes.catalogue.loras import worn_always
from rushes.errors import InvalidValue, ModelNotFound

DEFAULT_PAGE = 100

MODALITIES = {
    "frame_images": "MODALITY_IMAGE",
    "reference_images": "MODALITY_IMAGE",
    "frame_videos": "MODALITY_VIDEO",
    "reference_videos": "MODALITY_VIDEO",
    "source_video": "MODALITY_VIDEO",
    "audio_inputs": "MODALITY_AUDIO",
}

Modality = Literal["MODALITY_TEXT", "MODALITY_IMAGE", "MODALITY_AUDIO", "MODALITY_VIDEO"]
Product = Literal["PRODUCT_SERVERLESS", "PRODUCT_DEDICATED", "PRODUCT_FINE_TUNING", "PRODUCT_RESERVED"]
AdapterMode = Literal["ADAPTER_MODE_FIXED", "ADAPTER_MODE_DYNAMIC", "ADAPTER_MODE_DISABLED"]

plain = APIRouter(tags=["models"])
supported = APIRouter(tags=["models"])
identity = APIRouter(tags=["keys"])


@plain.get("/models", summary="The models of this server", responses=failures(401, 503))
def list_models(owner: Owner, door: AtDoor) -> list[ModelRow]:
    """A bare array, as the first two client generations read it. Also at /models and /v2/models."""
    return [_row(offer) for offer in door.videos.catalogue.offers()]


@supported.get("/supported-models", summary="The models of this server, paged", responses=failures(400, 401, 503))
def list_supported_models(
    owner: Owner,
    door: AtDoor,
    after: Annotated[str | None, Query(max_length=256, description="The `next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = DEFAULT_PAGE,
    modality: Annotated[Modality | None, Query(description="Taken in or given out.")] = None,
    product: Product | None = None,
    search: Annotated[str | None, Query(max_length=256)] = None,
    adapterMode: AdapterMode | None = None,  # spelled as the clients send it
) -> SupportedModels:
    """The envelope that the third client generation pages through."""
    rows = [_supported_row(offer) for offer in door.videos.catalogue.offers()]
    kept = [row for row in rows if _matches(row, modality, product, search, adapterMode)]
    start = _behind(kept, after)
    page, rest = kept[start : start + limit], kept[start + limit :]
    return SupportedModels(data=page, next_cursor=page[-1].id if rest else None)


@supported.get("/supported-models/{id:path}", summary="One model", responses=failures(401, 404, 503))
def get_supported_model(id: str, owner: Owner, door: AtDoor) -> SupportedModel:
    for offer in door.videos.catalogue.offers():
        if offer.asked_id.casefold() == id.casefold():
            return _supported_row(offer)
    raise ModelNotFound(field="id", given=id, hint="GET /v2/supported-models lists what is here")


@supported.get("/projects/{project}/models", summary="Models of a project: none", responses=failures(401, 503))
def list_project_models(project: str, owner: Owner) -> ProjectModels:
    return ProjectModels()


@identity.get("/whoami", summary="Whose key this is", responses=failures(401, 503))
def who_am_i(owner: Owner) -> WhoAmI:
    """Organisation, project and key are one here: the owner."""
    return WhoAmI(
        api_key=KeyName(id=owner),
        organization=Named(id=owner, name=owner),
        api_key_id=owner,
        organization_id=owner,
        organization_name=owner,
        project_id=owner,
        project_name=owner,
        project_slug=owner,
    )


def _row(offer: Offer) -> ModelRow:
    card = offer.card
    return ModelRow(
        id=offer.asked_id,
        created=card.created,
        display_name=_display_name(offer),
        organization=_publisher(offer),
        license=card.licence,
        made_by=card.id,
        revision=card.revision,
        description=card.description,
        limits=limits(offer.rules, worn_always(card)),
        unmakeable=offer.unmakeable,
    )


def _supported_row(offer: Offer) -> SupportedModel:
    card = offer.card
    created = datetime.fromtimestamp(card.created, UTC).isoformat().replace("+00:00", "Z")
    taken_in = ["MODALITY_TEXT", *dict.fromkeys(MODALITIES[name] for name in offer.rules.media.taken())]
    given_out = ["MODALITY_VIDEO", *(["MODALITY_AUDIO"] if offer.rules.generate_audio else [])]
    return SupportedModel(
        id=offer.asked_id,
        name=offer.asked_id,
        displayName=_display_name(offer),
        description=card.description,
        inputModalities=taken_in,
        outputModalities=given_out,
        publisher=_publisher(offer),
        createdAt=created,
        updatedAt=created,
        limits=limits(offer.rules, worn_always(card)),
        unmakeable=offer.unmakeable,
    )


def _display_name(offer: Offer) -> str:
    name = offer.card.display_name
    return f"{offer.asked_id} (made by {name})" if offer.hosted else name


def _publisher(offer: Offer) -> str:
    return offer.asked_id.split("/")[0]


def _matches(
    row: SupportedModel, modality: str | None, product: str | None, search: str | None, adapter_mode: str | None
) -> bool:
    if adapter_mode not in (None, "ADAPTER_MODE_DISABLED"):  # no model here takes adapters
        return False
    if modality is not None and modality not in row.inputModalities + row.outputModalities:
        return False
    if product is not None and product not in row.products:
        return False
    words = f"{row.id}\n{row.displayName}\n{row.description}".casefold()
    return search is None or search.casefold() in words


def _behind(rows: list[SupportedModel], cursor: str | None) -> int:
    if cursor is None:
        return 0
    for index, row in enumerate(rows):
        if row.id == cursor:
            return index + 1
    raise InvalidValue(field="after", given=cursor, allowed="the next_cursor of an earlier page")


def include_models(app: FastAPI) -> None:
    """Every prefix that some client generation builds from some base URL; one of each is documented."""
    for prefix in ("/v1", "", "/v2"):
        app.include_router(plain, prefix=prefix, include_in_schema=prefix == "/v1")
    for prefix in ("/v2", "/v1/v2", "/v2/v2"):
        app.include_router(supported, prefix=prefix, include_in_schema=prefix == "/v2")
    for prefix in ("/v3", "", "/v1", "/v2", "/v1/v3", "/v2/v3"):
        app.include_router(identity, prefix=prefix, include_in_schema=prefix == "/v3")
