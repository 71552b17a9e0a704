"""How far a scan is: points, points per second, time left, failures, on stderr."""

import sys
import time

_LINE_SECONDS, _REWRITE_SECONDS = 30.0, 0.5
_RATE_SECONDS = 120.0


class Progress:
    """Counts points and says so now and then; ``quiet`` says nothing.

    On a terminal one line is rewritten, elsewhere a line is printed every half minute.
    """

    def __init__(self, quiet: bool = False, stream=None):
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._rewrite = not quiet and self._stream.isatty()
        self.total = self.done = self.failed = self.computed = 0
        self._began = self._said = time.monotonic()
        self._recent = [(self._began, 0)]
        self._width = 0

    def begin(self, total: int, done: int, failed: int) -> None:
        """There are ``total`` points, of which ``done`` are computed and ``failed`` are bad."""
        self.total, self.done, self.failed = total, done, failed

    def add(self, points: int, failed: int, again: bool = False) -> None:
        """``points`` more are computed, ``failed`` of them bad; ``again``: they were bad before."""
        self.done += 0 if again else points
        self.failed += failed - (points if again else 0)
        self.computed += points
        now = time.monotonic()
        self._recent.append((now, self.computed))
        while now - self._recent[0][0] > _RATE_SECONDS and len(self._recent) > 2:
            self._recent.pop(0)
        self.tick()

    def tick(self) -> None:
        """Say how things are, if it is time to."""
        now = time.monotonic()
        if self._quiet or now - self._said < (_REWRITE_SECONDS if self._rewrite else _LINE_SECONDS):
            return
        self._said = now
        self._print(self.line(), end="" if self._rewrite else "\n")

    def line(self) -> str:
        """scan: 120/400 points, 12.3 points/s, 0:00:23 left, 2 failed"""
        rate = self.rate()
        left = (self.total - self.done) / rate if rate > 0.0 else None
        parts = [f"scan: {self.done}/{self.total} points", f"{rate:.3g} points/s"]
        parts.append(f"{_clock(left)} left" if left is not None else "compiling")
        parts.append(f"{self.failed} failed")
        return ", ".join(parts)

    def rate(self) -> float:
        """Points per second over the last two minutes."""
        (then, before), (now, after) = self._recent[0], self._recent[-1]
        return (after - before) / (now - then) if now > then else 0.0

    def say(self, text: str) -> None:
        """Print a sentence of its own."""
        if not self._quiet:
            self._print(text, end="\n")

    def end(self) -> None:
        """Leave the terminal on a fresh line."""
        if self._rewrite and self._width:
            self._print(self.line(), end="\n")

    def _print(self, text: str, end: str) -> None:
        start = "\r" if self._rewrite else ""
        print(f"{start}{text:<{self._width}}", end=end, file=self._stream, flush=True)
        self._width = 0 if end else len(text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
