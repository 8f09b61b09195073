"""Who may ask next: many readings share the places for requests, the most urgent one first.

A reading is a row of segments, and a segment a generator that yields one question after the
other and is sent the answers. Everything but the requests themselves happens on the thread of
whoever waits for rows, so nothing here needs a lock, and a simulation can decide what comes when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from concurrent.futures import Future

    from tap_qonto.api.pages import Page, Pool, Row

    Question = Callable[[], Page]
    Steps = Generator[Sequence[Question], list[Page], None]


class Segment:
    """A part of a reading: questions that follow from the answers to others, and their rows.

    Attributes:
        pages: Rows that nobody has taken yet, in the order of the answers, each with the bound
            that they were asked for from, and how many different ones there must be.
        questions: What the segment wants to ask next and has not asked yet, with their places.
        over: Whether nothing more will be asked.
        error: Why it is over, if it has failed. The pages before that are good.
    """

    def __init__(self) -> None:
        self.pages: list[tuple[str | None, Sequence[Row], int]] = []
        self.questions: list[tuple[int, Question]] = []
        self.over = False
        self.error: Exception | None = None
        self._steps: Steps | None = None
        self._answers: list[Page | Exception | None] = []

    def begin(self, steps: Steps) -> None:
        """Go as far as the first questions."""
        self._steps = steps
        self._go_on(lambda: next(steps))

    def answer(self, place: int, future: Future[Page]) -> None:
        """Go on to the next questions when all have been answered; the first error counts."""
        steps = self._steps
        assert steps is not None, "a segment is begun before it can ask"  # noqa: S101 - for types
        try:
            self._answers[place] = future.result()
        except Exception as error:  # noqa: BLE001 - the reading decides what an error means
            self._answers[place] = error
        answers = self._answers
        if any(answer is None for answer in answers):
            return
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if errors:
            self._go_on(lambda: steps.throw(errors[0]))
        else:
            pages = [answer for answer in answers if not isinstance(answer, Exception)]
            self._go_on(lambda: steps.send([page for page in pages if page is not None]))

    def _go_on(self, step: Callable[[], Sequence[Question]]) -> None:
        try:
            questions = step()
        except StopIteration:
            self.over = True
        except Exception as error:  # noqa: BLE001 - told when the rows before it have been taken
            self.over = True
            self.error = error
        else:
            self._answers = [None] * len(questions)
            self.questions = list(enumerate(questions))


class Reading(Protocol):
    """What the desk knows of a reading."""

    @property
    def segments(self) -> Iterable[Segment]:
        """What is still to be read, in the order in which it is wanted."""

    def split(self) -> Segment | None:
        """Begin a further segment with what a question under way will most likely not bring.

        Returns:
            The segment, with its first question; None if that would save no waiting.
        """


class Desk:
    """Hands the questions of all readings of a run to the pool, and the answers back.

    Args:
        pool: Where questions are asked in the background.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._readings: list[Reading] = []
        self._under_way: dict[Future[Page], tuple[Segment, int]] = {}

    @property
    def places(self) -> int:
        """How many questions can be under way at the same time."""
        return self._pool.at_once

    @property
    def spare(self) -> int:
        """How many places stay empty although every reading asks what it can."""
        wanted = sum(len(one.questions) for reading in self._readings for one in reading.segments)
        return self._pool.at_once - len(self._under_way) - wanted

    def enter(self, reading: Reading) -> None:
        """Let a reading ask, after those that are here already."""
        self._readings.append(reading)

    def leave(self, reading: Reading) -> None:
        """Ask nothing more for a reading, and drop what is under way for it."""
        if reading not in self._readings:
            return
        self._readings.remove(reading)
        segments = {id(segment) for segment in reading.segments}
        for future, (segment, _) in list(self._under_way.items()):
            if id(segment) in segments:
                future.cancel()
                del self._under_way[future]

    def serve(self, wanted: Segment) -> None:
        """Take answers and ask questions until a segment has a page or is over.

        Others are served on the way, as far as places and memory allow.
        """
        while True:
            for future in [future for future in self._under_way if future.done()]:
                segment, place = self._under_way.pop(future)
                segment.answer(place, future)
            while wanted.questions:
                self._ask(wanted)
            self._ask_others()
            if wanted.pages or wanted.over:
                return
            self._pool.wait(self._under_way)

    def _ask(self, segment: Segment) -> None:
        place, question = segment.questions.pop(0)
        self._under_way[self._pool.submit(question)] = (segment, place)

    def _ask_others(self) -> None:
        """Ask for whatever comes soonest, while there are places and room for the answers."""
        places = self._pool.at_once - len(self._under_way)
        if places <= 0:
            return
        room = self._pool.ahead - len(self._under_way) - self._waiting()
        for reading in self._readings:
            # A copy, because an answer that is there at once may cut a segment.
            for segment in list(reading.segments):
                while segment.questions:
                    if min(places, room) <= 0:
                        return
                    self._ask(segment)
                    places -= 1
                    room -= 1
        self._ask_ahead(min(places, room))

    def _ask_ahead(self, places: int) -> None:
        """Give places that would stay empty to what questions under way will leave to be asked."""
        for reading in self._readings:
            while places > 0 and (part := reading.split()):
                self._ask(part)
                places -= 1

    def _waiting(self) -> int:
        """Return how many pages are in memory."""
        return sum(len(segment.pages) for reading in self._readings for segment in reading.segments)
