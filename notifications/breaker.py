"""When a channel rests, and when it stops until a person resumes it. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: How long a channel is left alone after a batch of which nothing went through; doubled each time in a row.
FIRST_REST = timedelta(seconds=15)
LONGEST_REST = timedelta(minutes=5)
#: Nothing went through for so long, rests included: it does not mend itself.
SUSTAINED = timedelta(minutes=15)
#: So many failed looks in a row that were our own fault: the first may be a hiccup of the provider's directory.
CONFIG_STRIKES = 2
#: Fewer readers than that are not held to speak for the channel: a server may refuse one of them for its own reasons.
READERS = 2
#: So many readers in a row refused for the first time, with no success between, are not refused by chance: it is taken
#: for our own fault. Who is refused again tells nothing new about the channel.
REFUSALS_IN_A_ROW = 10
#: A rest that ended so long ago has nothing to do with today's trouble: what fails goes on failing at least so often
#: (`retries.PERSISTENT.last`, stretched by `JITTER`), so that nothing was tried since, or its success was lost in a crash.
FORGOTTEN_AFTER = timedelta(hours=1)
#: Batches in a row of which nobody knows whether anything left: trying on would put every reader in doubt.
DOUBTS_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How a channel stands with its provider."""

    #: Rests in a row; something that goes through sets it back.
    strikes: int = 0
    #: When the first of them began.
    since: datetime | None = None
    #: Nothing is tried before that.
    rests_until: datetime | None = None
    #: It waits for a person.
    is_stopped: bool = False


def after_trouble(standing: Standing, *, is_config: bool, readers: int, now: datetime) -> Standing:
    """Return how a channel stands after a look of which nothing went through.

    Several threads meet the same trouble at once: while the channel rests, that is no further strike.

    Args:
        standing: How it stood before.
        is_config: Whether the provider refused us: password, sender, route.
        readers: How many different readers wait on the channel after a failure.
        now: When it failed.
    """
    if standing.is_stopped:
        # The urgent is still tried now and then.
        return Standing(standing.strikes, standing.since, now + LONGEST_REST, is_stopped=True)
    if standing.rests_until and standing.rests_until > now:
        return standing
    if standing.rests_until and now - standing.rests_until > FORGOTTEN_AFTER:
        standing = Standing()
    strikes, since = standing.strikes + 1, standing.since or now
    rest: timedelta = min(FIRST_REST * 2.0 ** min(strikes - 1, 10), LONGEST_REST)
    lasts = now - since >= SUSTAINED or (is_config and strikes >= CONFIG_STRIKES)
    if lasts and readers >= READERS:
        return Standing(strikes, since, now + LONGEST_REST, is_stopped=True)
    return Standing(strikes, since, now + rest)
