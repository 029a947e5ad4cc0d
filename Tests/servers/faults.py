"""Which faults there are, and who decides which request gets one."""
import collections
import dataclasses
import random
import re

MODES = {
    "refuse": "reset before the request is read",
    "black_hole": "the request is read, nothing is ever answered",
    "stall_up": "the request's body stops moving at `at`",
    "stall_down": "the reply's body stops moving at `at`",
    "cut_up": "both sides are reset when `at` bytes of the request's body have passed",
    "cut_down": "both sides are reset when `at` bytes of the reply's body have passed",
    "fin_down": "the reply ends in good order, but after `at` bytes of its body",
    "lose_reply": "the server carries the request out, the client is reset instead of told",
    "late": "the client is reset; the request reaches the server after `milliseconds`",
    "duplicate": "the server gets the request again, `milliseconds` after the first time",
    "corrupt_up": "one bit of the request's body is changed at `at`",
    "corrupt_down": "one bit of the reply's body is changed at `at`",
    "http": "answered with the status `code` and perhaps `retry_after`, never forwarded",
    "throttle": "bodies move at `rate` bytes a second",
    "delay": "the request and the reply wait `milliseconds` each",
    "jitter": "each piece waits up to `milliseconds`",
}

# Over plain HTTP nobody could notice a listing of which a bit was changed.
OBJECTS_ONLY = r"^GET [^?]*( |$)"


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens to a request. `at` is a number of bytes, or as a fraction a part of the body."""

    mode: str
    at: float | int = 0.5
    milliseconds: int = 100
    rate: int = 1 << 20
    code: int = 503
    retry_after: int | None = None
    match: str | None = None

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(f"no such fault: {self.mode}")

    def position(self, length):
        """The byte of a body of this length at which the fault happens."""
        length = 65_536 if length is None else length
        return int(self.at * length) if isinstance(self.at, float) else min(self.at, length)

    def fits(self, line, length):
        """Whether the fault can happen to the request with this first line and length of body."""
        if self.match and not re.search(self.match, line):
            return False
        if self.mode.endswith("_up"):
            return length is None or length > 0
        if self.mode.endswith("_down"):
            return line.startswith("GET ")
        return True


@dataclasses.dataclass
class Rule:
    """A fault for the requests whose `METHOD path` matches: `skip` are spared, then `count` hit."""

    fault: Fault
    match: str = ""
    count: int | None = None
    skip: int = 0
    probability: float = 1.0

    def choose(self, line, length, source):
        if self.count == 0 or not re.search(self.match, line):
            return None
        if self.skip > 0:
            self.skip -= 1
            return None
        if self.probability < 1 and source.random() >= self.probability:
            return None
        if self.count is not None:
            self.count -= 1
        return self.fault


class Schedule:
    """One request in `one_in` gets one of the faults, chosen by a seed."""

    def __init__(self, seed, one_in, faults=None, match=""):
        self.seed, self.one_in, self.match = seed, one_in, match
        self.source = random.Random(f"faults {seed}")
        self.faults = list(faults) if faults is not None else usual_faults(self.source)

    def choose(self, line, length, _):
        if not re.search(self.match, line) or self.source.random() * self.one_in >= 1:
            return None
        fitting = [fault for fault in self.faults if fault.fits(line, length)]
        return self.source.choice(fitting) if fitting else None


def usual_faults(source, modes=None):
    """Faults of every mode at random positions and times, such as networks and servers have."""
    faults = []
    for mode in modes or MODES:
        for _ in range(3):
            fault = Fault(
                mode, at=source.choice([0, 1, source.random(), source.random(), 0.999]),
                milliseconds=source.choice([5, 50, 300, 1500]), rate=source.choice([1, 4]) << 20,
                code=source.choice([500, 502, 503, 503, 504, 429]),
                retry_after=source.choice([None, None, 0, 1]),
                match=OBJECTS_ONLY if mode == "corrupt_down" else None)
            if mode == "jitter":
                fault = dataclasses.replace(fault, milliseconds=min(fault.milliseconds, 20))
            faults.append(fault)
    return faults


class Decisions:
    """Rules and schedules in their order, what was done, and to which requests."""

    def __init__(self, seed=0):
        self.deciders = []
        self.source = random.Random(f"decisions {seed}")
        self.counts = collections.Counter()
        self.history = collections.deque(maxlen=1000)

    def choose(self, line, length):
        self.counts["requests"] += 1
        for decider in self.deciders:
            fault = decider.choose(line, length, self.source)
            if fault is not None:
                return fault
        return None

    def happened(self, fault, line):
        self.counts[fault.mode] += 1
        self.history.append((fault.mode, line))

    @property
    def faults(self):
        """How many faults have happened."""
        return sum(count for mode, count in self.counts.items() if mode in MODES)
