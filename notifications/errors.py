"""What can go wrong in telling people; every message tells the reader what to do next."""

from __future__ import annotations

from maintenance.errors import JanelaError


class UnusableAddress(JanelaError):
    """Nothing can be sent to that address or number."""


class InvalidSender(JanelaError):
    """The sender in the settings cannot be used."""


class InvalidTransport(JanelaError):
    """The settings name a way out that cannot be used."""


class MissingTranslations(JanelaError):
    """A language that is offered has no compiled sentences."""


class BrokerAway(JanelaError):
    """Nothing answers where the settings say that the broker is."""


class NoWorkHere(JanelaError):
    """The installation's engine has no use for that process."""


class InvalidEndpoint(JanelaError):
    """A webhook or a chat room cannot be registered like that."""


class InvalidPrice(JanelaError):
    """The price of an SMS part in the settings cannot be read."""


class InvalidOperators(JanelaError):
    """The settings name somebody on call who cannot be written to."""


class NobodyReached(JanelaError):
    """Institutions that the operators have to tell themselves."""


class ChannelStopped(JanelaError):
    """The breaker stopped a channel: nothing leaves by it until a person resumes it."""
