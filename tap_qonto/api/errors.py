"""Every error of the tap and the target, under one root.

Whoever catches `SentenceError` catches them all, and its message is all that a person needs::

    SentenceError                   the run ends with this sentence and its exit code
    ├── CredentialError             credentials that cannot be used
    │   ├── DamagedStoreError       the token store was not written by us
    │   ├── NoAnswerError           the token endpoint gave no answer; it may later
    │   └── RefusedError            the token endpoint refused the grant
    ├── QontoError                  a request without an answer to work with
    │   ├── AnswerError             an answer other than documented
    │   ├── UnauthorizedError       401
    │   │   └── BadCredentialsError     ... whatever is asked for
    │   ├── NotReadableError        403, 404
    │   ├── FaultError              may succeed later: 429, 5xx, no whole answer
    │   │   ├── NotSentError        ... and the request never left this machine
    │   │   ├── SilentError         ... and nothing else is answered either
    │   │   └── FileFaultError      ... and it came from the host of a file
    │   ├── GoneError               the file does not exist (any more)
    │   └── ExpiredLinkError        the file host refused the link
    ├── ListError                   a list cannot be read completely
    │   ├── UnsortedError           ... because it is not in the order asked for
    │   ├── PastTheEndError         the page lies beyond the last one
    │   └── CeilingError            more rows match than Qonto lists
    ├── RowError                    a row cannot be used at all
    ├── StorageError                a document cannot be stored or read back
    │   ├── UnusablePlaceError      ... nor anything else at that place
    │   └── StoppedStoringError     ... because the run is at its end
    ├── DebtError                   more documents cannot be had than a state can name
    ├── UnusableFileError           a file that a row names cannot be sent
    ├── UnreadableError             a PDF, or the invoice inside it, cannot be read
    ├── InputError                  what was given to the run cannot be used
    │   └── EnvFileError            ... because .env cannot be read
    ├── OutputError                 standard output cannot be written
    ├── NothingReadError            every selected stream was refused
    ├── FailedStreamsError          some streams could not be read
    ├── RowsRefusedError            rows or settings of the target that cannot be used
    │   └── JournalError            the journal of what was sent cannot be used
    ├── NotApprovedError            a plan that was not approved, is held or over a limit
    └── UnsettledError              rows that were not sent, or of which nobody knows

    StoppedError                    a signal; no error, and caught by nothing that catches errors
"""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from tap_qonto.output import refusal


class SentenceError(Exception):
    """Something that ends a run or a part of it; the message is all that a person needs.

    A message is one sentence or two that say what happened, where, and what to do, without secrets
    and personal data.
    """

    exit_code: int = 1
    """How the process ends, if the error gets that far."""
    ends_run: ClassVar[bool] = False
    """Whether no stream can be read any more, so that the run ends at once."""
    sentences: tuple[str, ...] = ()
    """What a person needs, if it takes more than one line."""


class CredentialError(SentenceError):
    """Credentials that cannot be used."""

    ends_run = True


class DamagedStoreError(CredentialError):
    """The token store can be read, but not understood."""


class NoAnswerError(CredentialError):
    """The token endpoint has neither given tokens nor refused them; it may do so later.

    Args:
        reason: What happened, in a few words that follow the endpoint's URL.
        may_be_spent: Whether the request may have arrived, so that the token sent with it may be
            spent.
        retry_after: Seconds to wait as the answer says, or None.
    """

    def __init__(
        self, reason: str, *, may_be_spent: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.may_be_spent = may_be_spent
        self.retry_after = retry_after


class RefusedError(CredentialError):
    """The token endpoint has refused the grant.

    Args:
        status: The HTTP status, 400 or 401 as a rule.
        code: OAuth's error code, such as ``invalid_grant``; empty if the answer has none.
        detail: The endpoint's own explanation without secrets, shortened; may be empty.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail

    @override
    def __str__(self) -> str:
        """Return status, code and detail as a person would quote them."""
        said = f"{self.status} {self.code}".rstrip()
        return f"{said}: {self.detail}" if self.detail else said


class QontoError(SentenceError):
    """A request that has no answer to work with.

    Args:
        message: One sentence or two, without secrets and personal data.
        status: HTTP status, if there was an answer.
        code: The API's own error code, if there was one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AnswerError(QontoError):
    """Qonto answered with something else than its documentation promises."""


class UnauthorizedError(QontoError):
    """The credentials were refused (401)."""


class BadCredentialsError(UnauthorizedError):
    """The credentials are refused whatever is asked for (401)."""

    ends_run = True


class NotReadableError(QontoError):
    """The credentials may not read this (403), or the feature is not activated (404)."""


class FaultError(QontoError):
    """The request may succeed later: throttled, a server error, or no whole answer.

    Args:
        message: What happened.
        status: HTTP status, if there was an answer.
        code: The API's own error code, if there was one.
        retry_after: Seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code)
        self.retry_after = retry_after


class NotSentError(FaultError):
    """The request never reached Qonto: no address, no connection, no TLS."""

    ends_run = True


class SilentError(FaultError):
    """Several streams were given up, and Qonto answers nothing else either."""

    ends_run = True


class FileFaultError(FaultError):
    """The file host did not send a whole file; it may succeed later."""


class GoneError(QontoError):
    """A file does not exist any more (404, 410)."""


class ExpiredLinkError(QontoError):
    """The file host refused a link, most likely because its half hour is over."""


class ListError(SentenceError):
    """A list cannot be read completely; the message says why and what to do."""


class UnsortedError(ListError):
    """The list is not in the order asked for, so it cannot be read by value."""


class PastTheEndError(ListError):
    """The page asked for lies beyond the last one (Qonto answers 422)."""


class CeilingError(ListError):
    """The query matches more rows than Qonto lists (Qonto answers 422 `search_limit_reached`)."""


class RowError(SentenceError):
    """A row cannot be used at all; the message says why, without its content."""


class StorageError(SentenceError):
    """A document cannot be stored or read back; the message says where and why."""


class UnusablePlaceError(StorageError):
    """The place that the settings name for documents has taken none, so no document can be had."""

    ends_run = True


class StoppedStoringError(StorageError):
    """The run ended while a document was being stored."""


class DebtError(SentenceError):
    """A stream owes more documents than its state can name."""


class UnusableFileError(SentenceError):
    """A file that a row names cannot be sent; the message says why, without its path."""


class UnreadableError(SentenceError):
    """A PDF cannot be read, or its invoice is no XML; the message says why."""


class InputError(SentenceError):
    """A file given to the run cannot be used; the message says why and what to do."""

    ends_run = True


class EnvFileError(InputError):
    """The file `.env` cannot be read.

    Args:
        path: Where it is.
        error: What reading it said.
    """

    def __init__(self, path: str, error: OSError | ValueError) -> None:
        # Without the text of a decoding error, which quotes bytes of the file.
        reason = error.strerror if isinstance(error, OSError) else "save it as text in UTF-8"
        super().__init__(f"The file {path!r} with settings cannot be read: {reason}")


class OutputError(SentenceError):
    """Standard output cannot be written, for another reason than a target that is gone.

    Args:
        error: What the machine said.
    """

    ends_run = True

    def __init__(self, error: OSError) -> None:
        super().__init__(refusal(error))


class NothingReadError(SentenceError):
    """Every selected stream was refused."""


class FailedStreamsError(SentenceError):
    """Some streams could not be read; the others were.

    Args:
        sentences: One for each of these streams.
    """

    def __init__(self, sentences: tuple[str, ...]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


class RowsRefusedError(SentenceError):
    """Rows, or settings of the target, that cannot be used; nothing was sent."""

    exit_code = 2


class JournalError(RowsRefusedError):
    """The journal of what was sent cannot be used; nothing was sent without it."""


class NotApprovedError(SentenceError):
    """A plan that was not approved, has held rows or is over a limit; nothing was sent."""

    exit_code = 3


class UnsettledError(SentenceError):
    """Rows that were not sent, or of which nobody knows whether they were.

    Args:
        message: Which, and what to do.
        exit_code: 1 if they were rejected, 3 if they are held, 4 if an outcome is unknown.
    """

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StoppedError(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: Number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
