"""How a tap runs: stream by stream, and its last safe state is left behind however it ends."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from typing_extensions import override

from tap_qonto.api.errors import OutputError, StoppedError
from tap_qonto.singer.inputs import json_input
from tap_qonto.singer.messages import MessageWriter, written
from tap_qonto.singer.plugin import SingerPlugin, collect_seldom
from tap_qonto.singer.sdk import ConfigInput, SdkStream, SdkTap, given

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click
    from singer_sdk import Stream


class SingerTap(SingerPlugin, SdkTap):
    """A tap that ends every run with its last safe state and, if need be, one sentence."""

    message_writer_class = MessageWriter

    _ending = False  # whether the run is over but for what must still be written

    # Hooks

    def begin(self) -> None:
        """Check what can be checked only by asking, before the first stream is read.

        Raises:
            SentenceError: If the run makes no sense.
        """

    def leave(self) -> None:
        """Stop what goes on in the background, before anything may have to wait for the target."""

    def conclude(self) -> None:
        """Say what a run that came to its end has to say.

        Raises:
            SentenceError: If it was no success.
        """

    def close(self) -> None:
        """Let go of everything, however the run ended."""

    def in_order(self) -> Iterable[Stream]:
        """Return the streams in the order in which they are read."""
        return self.streams.values()

    def on_failure(self, stream: Stream, error: Exception) -> None:  # noqa: ARG002 - for overrides
        """Note that a stream has failed, so that the others are read all the same.

        Raises:
            Exception: The error itself, if the run cannot go on without what is missing.
        """
        raise error

    # A run

    def run(self) -> None:
        """Sync all selected streams, and leave the last safe state behind however it ends."""
        try:
            try:
                self.begin()
                self._read_all()
            finally:
                self._ending = True  # a second signal must not keep this from being done
                self.leave()
            self._ending = False
            self.message_writer.flush()  # what is said after it may be an error
            self.conclude()
        except (BrokenPipeError, OutputError):
            raise
        except BaseException:
            self._ending = True
            self.message_writer.stop_with = None
            self.write_state()
            raise
        finally:
            self._ending = True
            self.close()

    def _read_all(self) -> None:
        # In place of `sync_all`, which goes by the alphabet and ends with the first failure.
        self.begin_state()
        for stream in self.in_order():
            if stream.parent_stream_type:
                continue  # is read row by row of its parent
            if not stream.selected and not stream.has_selected_descendents:
                continue
            try:
                stream.sync()
            except Exception as error:  # noqa: BLE001 - the hook raises what it does not know
                self.on_failure(stream, error)
            finally:
                if isinstance(stream, SdkStream):
                    for one in (stream, *stream.children):
                        one.report()
            stream.finalize_state_progress_markers()
        for stream in self.streams.values():
            stream.log_sync_costs()

    @override
    def on_signal(self, signum: int) -> None:
        if self._ending:
            return
        stop = StoppedError(signum)
        # The writer raises it too: what is raised here in the middle of a finalizer is lost.
        self.message_writer.stop_with = stop
        if not self.message_writer.busy:  # a torn message would spoil all before it
            raise stop

    # The command

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        with cls.one_sentence(), written():
            super().cb_discover(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        with cls.one_sentence():
            super().cb_test(ctx, param, value)

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        # The SDK reads the files with a traceback.
        with cls.one_sentence():
            if about:
                with written():
                    cls.print_about(about_format)
                return
            collect_seldom()  # and again when all is there that stays
            tap = cls(
                config=given(config),
                state=None if state is None else json_input(state, "--state"),
                catalog=None if catalog is None else json_input(catalog, "--catalog"),
            )
            collect_seldom()
            tap.run()
