"""Every error a person can meet, as one tree.

    RushesError
    ├── Refused                400  the request cannot be honoured as written
    │   ├── InvalidValue            a value outside what is allowed
    │   ├── MissingField            a field the model cannot do without
    │   ├── UnsupportedField        a field this model does not take
    │   ├── InvalidDuration         seconds outside the model's range
    │   ├── UnknownField            a key nobody knows, in strict mode
    │   ├── MediaFetchFailed        what a URL names could not be had
    │   ├── MalformedBody           not a JSON object
    │   ├── MalformedRequest        not even HTTP
    │   └── MediaRefused            an image, a clip or a sound that cannot be used; one class per reason
    ├── IdempotencyMismatch    422
    ├── BodyTooLarge           413
    ├── WrongContentType       415
    ├── NotAuthorized          401
    ├── NotFound               404
    │   ├── ModelNotFound           no such model here
    │   ├── JobNotFound             no such job, or not yours
    │   ├── NoPreview               nothing to see of this video now
    │   └── RouteNotFound
    ├── MethodNotAllowed       405
    ├── RangeNotSatisfiable    416  bytes of a file that it does not have
    ├── Busy                   429  retry helps
    │   └── TooManyRequests         a limit of this server is reached; it says when to ask again
    ├── Unavailable            503  retry helps
    │   ├── StorageUnavailable      no room for files, or no right to write them
    │   └── Incomplete              a package or a weight file is missing or damaged; no retry helps
    ├── GenerationFailed       500  the job, not the request, went wrong
    │   └── OutOfMemory             the video needs more memory than this server has
    └── WrongSetup             500  this installation cannot run as it is set up; met at the start, not by clients

Each class carries `code` (the word clients match on), `status` (HTTP) and `retryable`.
Messages are built from field, given, allowed and hint, so that the answer names all four.
"""

from __future__ import annotations

from typing import Self

MAX_SHOWN_CHARS = 80  # a 32,000-character prompt quoted back helps nobody
MAX_QUOTED_CHARS = 40


def shown(value: object, most_chars: int = MAX_SHOWN_CHARS) -> str:
    """`value` as it may appear in a message: printable, one line, short."""
    whole = str(value)
    text = whole[:most_chars].encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    if len(whole) <= most_chars and len(text) <= MAX_SHOWN_CHARS:
        return text
    return f"{text[:most_chars]}… ({len(whole)} characters)"


def quoted(value: object) -> str:
    """`value` as a part of what is still to be shown: so short that it is not cut, and its length told, once more."""
    return shown(value, MAX_QUOTED_CHARS)


class RushesError(Exception):
    code = "internal_error"
    status = 500
    retryable = False
    kind = "server_error"
    retry_after_s = 5
    """How long to wait before the next try, where one can help; clients obey 1 to 60."""

    def __init__(
        self,
        message: str = "",
        *,
        field: str | None = None,
        given: object = None,
        allowed: str | None = None,
        model: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.field = field
        self.given = given
        self.allowed = allowed
        self.model = model
        self.hint = hint
        self.message = message or self._composed()
        super().__init__(self.message)

    def _composed(self) -> str:
        parts = [f"{self.field}: {self.summary}" if self.field else self.summary]
        if self.given is not None:
            parts.append(f"given {shown(self.given)}")
        if self.allowed is not None:
            parts.append(f"allowed: {self.allowed}")
        if self.model is not None:
            parts.append(f"model {self.model}")
        text = "; ".join(parts)
        return f"{text}. Hint: {self.hint}" if self.hint else text

    summary = "something went wrong on this server"


class Refused(RushesError):
    code = "invalid_request"
    status = 400
    kind = "invalid_request_error"
    summary = "the request cannot be honoured"


class InvalidValue(Refused):
    code = "invalid_value"
    summary = "this value is not allowed"


class MissingField(Refused):
    code = "missing_required_parameter"
    summary = "this field is required"


class UnsupportedField(Refused):
    code = "unsupportedParameter"
    summary = "this model does not take this field"


class InvalidDuration(Refused):
    code = "invalidDuration"
    summary = "this length is outside the model's range"


class UnknownField(Refused):
    code = "unknown_parameter"
    summary = "no such field"


class MediaFetchFailed(Refused):
    code = "media_fetch_failed"
    summary = "what this address names could not be fetched"


class MalformedBody(Refused):
    code = "malformed_body"
    summary = "the body must be a JSON object"


class MalformedRequest(Refused):
    code = "malformed_request"
    summary = "the request is not HTTP that can be read"


class MediaRefused(Refused):
    """`field` is filled in by whoever knows where in the request the file stood, with `at`."""

    code = "media_refused"
    summary = "this file cannot be used"

    def at(self, field: str) -> Self:
        """The same error, said of `field`."""
        return type(self)(field=field, given=self.given, allowed=self.allowed, model=self.model, hint=self.hint)


class UnsupportedMediaType(MediaRefused):
    code = "unsupported_media_type"
    summary = "files of this kind are not taken here"


class MediaTooLarge(MediaRefused):
    code = "media_too_large"
    summary = "this file is too large"


class MediaTooComplex(MediaRefused):
    code = "media_too_complex"
    summary = "opening this file takes more time or memory than is allowed"


class ImageTooLarge(MediaRefused):
    code = "image_too_large"
    summary = "this image has too many pixels"


class MediaTooNarrow(MediaRefused):
    code = "media_too_narrow"
    summary = "this picture is too long for its width"


class ImageUndecodable(MediaRefused):
    code = "image_undecodable"
    summary = "this image is damaged, or is not what it says it is"


class VideoTooLarge(MediaRefused):
    code = "video_too_large"
    summary = "this video has too many pixels"


class VideoTooLong(MediaRefused):
    code = "video_too_long"
    summary = "this video is too long"


class VideoTooShort(MediaRefused):
    code = "video_too_short"
    summary = "this video is too short"


class VideoTooManyFrames(MediaRefused):
    code = "video_too_many_frames"
    summary = "this video has too many frames"


class VideoSizeChanges(MediaRefused):
    code = "video_size_changes"
    summary = "the size of this video's picture changes on the way"


class VideoUndecodable(MediaRefused):
    code = "video_undecodable"
    summary = "this video is damaged, or is not what it says it is"


class AudioTooShort(MediaRefused):
    code = "audio_too_short"
    summary = "this sound is too short"


class AudioTooLong(MediaRefused):
    code = "audio_too_long"
    summary = "this sound is too long"


class AudioUnsupported(MediaRefused):
    code = "audio_unsupported"
    summary = "sound of this sample rate or with this many channels is not taken"


class AudioUndecodable(MediaRefused):
    code = "audio_undecodable"
    summary = "this sound is damaged, or is not what it says it is"


class BodyTooLarge(Refused):
    code = "body_too_large"
    status = 413
    summary = "the body is too large"


class WrongContentType(Refused):
    code = "unsupported_content_type"
    status = 415
    summary = "send application/json"


class IdempotencyMismatch(Refused):
    code = "idempotency_mismatch"
    status = 422  # not 409, which the clients would retry
    summary = "this key was used for another request"


class NotAuthorized(Refused):
    code = "invalid_api_key"
    status = 401
    summary = "no valid API key was sent"


class NotFound(Refused):
    code = "not_found"
    status = 404
    summary = "there is nothing here"


class ModelNotFound(NotFound):
    code = "model_not_available"
    summary = "no such model on this server"


class JobNotFound(NotFound):
    code = "video_not_found"
    summary = "no video with this id"


class NoPreview(NotFound):
    code = "no_preview"
    summary = "there is no picture of this video: it is not in the making, or not yet far enough"


class RouteNotFound(NotFound):
    code = "route_not_found"
    summary = "no such route"


class MethodNotAllowed(Refused):
    code = "method_not_allowed"
    status = 405
    summary = "this route does not take this method"


class RangeNotSatisfiable(Refused):
    code = "range_not_satisfiable"
    status = 416
    summary = "the file has no such bytes"


class Busy(RushesError):
    code = "queue_full"
    status = 429
    retryable = True
    kind = "rate_limit_error"
    summary = "the queue is full"


class TooManyRequests(Busy):
    code = "rate_limit_exceeded"
    summary = "a limit of this server is reached"

    def __init__(self, message: str = "", *, retry_after_s: float = 10.0, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after_s = min(60, max(1, round(retry_after_s)))


class Unavailable(RushesError):
    code = "unavailable"
    status = 503
    retryable = True
    summary = "the server cannot take this now"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    summary = "the file could not be written"


class Incomplete(Unavailable):
    """No waiting mends it: somebody has to install or repair something. A job that meets it fails at once."""

    code = "installation_incomplete"
    retryable = False
    summary = "this server lacks what the video needs"


class GenerationFailed(RushesError):
    code = "generation_failed"
    summary = "the video could not be made"


class OutOfMemory(GenerationFailed):
    code = "out_of_memory"
    summary = "the video needs more memory than there is"


class WrongSetup(RushesError):
    code = "wrong_setup"
    summary = "this cannot be used here"
