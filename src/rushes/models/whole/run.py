"""A call that stands still between two of its steps.

The library's pipelines are one function from the first step to the last frame. Here such a call has a thread of its
own and a place where it waits; whoever holds the `Run` lets it go on, a step at a time, and the two never work at
once. When the run is let go of, the call ends where it stands: by an exception, because the library's own way of
interrupting skips what steps are left and then decodes the noise.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

Pause = Callable[[], None]


class Abandoned(BaseException):
    """Ends a call whose run is let go of. No `Exception`: a library that catches those would go on."""


class _Baton:
    """What the two threads share; the thread of the call holds no more than this, so that a run can be forgotten."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.stands = threading.Semaphore(0)
        self.dropped = False
        self.over = False
        self.failed = False
        self.result: Any = None
        self.error: BaseException | None = None

    def pause(self) -> None:
        self.stands.release()
        self.go.acquire()
        if self.dropped:
            raise Abandoned

    def carry(self, call: Callable[[Pause], Any]) -> None:
        self.go.acquire()
        try:
            if not self.dropped:
                self.result = call(self.pause)
        except Abandoned:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.over = True
            self.stands.release()

    def drop(self) -> None:
        self.dropped = True
        self.go.release()


class Run:
    """A call that has not begun. `call` is given `pause`, to be called between steps, on the thread that works."""

    def __init__(self, call: Callable[[Pause], Any]) -> None:
        self._baton = _Baton()
        self._thread = threading.Thread(target=self._baton.carry, args=(call,), name="pipeline", daemon=True)
        self._thread.start()
        self._let_go = weakref.finalize(self, self._baton.drop)
        self._let_go.atexit = False  # a thread that woke up in a dying interpreter would end it with an abort

    @property
    def over(self) -> bool:
        return self._baton.over

    @property
    def failed(self) -> bool:
        """Whether the call ended with an error, which was raised."""
        return self._baton.failed

    def advance(self) -> None:
        """Go on to the next pause, or to the end. Raises what the call raised, once."""
        if not self._baton.over:
            self._baton.go.release()
            self._baton.stands.acquire()
        if self._baton.error is not None:
            # Let go of: it holds on to all that the call had made, and memory may be what it ended for.
            error, self._baton.error, self._baton.failed = self._baton.error, None, True
            raise error

    def result(self) -> Any:
        """What the call returns, after all that is left of it. Raises what it raised."""
        self.advance()
        while not self._baton.over:
            self.advance()
        return self._baton.result

    def abandon(self) -> None:
        """End the call where it stands, and wait until it has. A second time does nothing."""
        self._let_go()
        self._thread.join()
