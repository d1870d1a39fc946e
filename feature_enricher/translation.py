"""Whatever ended a request, in our own words: as a member of the family of errors, and as a line for the log."""

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from feature_enricher.errors import BodyTooLarge, EnricherError, NoSuchPath, RequestRefused, WrongMethod

LONGEST_REASON = 1000  # characters; a server's answer may be quoted in it


def as_enricher_error(error: Exception) -> EnricherError:
    """A client hears nothing else."""
    if isinstance(error, EnricherError):
        return error
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLarge("The body is too large")
    if isinstance(error, NotFound):
        return NoSuchPath("Not Found")
    if isinstance(error, MethodNotAllowed):
        # RFC 9110 asks for the allowed methods; nothing else of werkzeug's answer is for us
        return WrongMethod("Method Not Allowed", headers={"Allow": ", ".join(error.valid_methods or ())})
    if isinstance(error, HTTPException):
        return RequestRefused(error.name, error.code)
    return EnricherError("Internal error")


def reason(error: BaseException) -> str:
    """The error and its causes on one line, for the log alone."""
    told: list[str] = []
    link: BaseException | None = error
    while link is not None:
        told.append(f"{type(link).__name__}: {link}")
        link = link.__cause__
    return " ".join(" <- ".join(told).split())[:LONGEST_REASON]
