"""How often somebody may try a password: slow for who guesses, never closed for long to who knows it.

Token buckets for the pair of account and address (a forgetful officer), for the address (one machine that tries many
names), and for the account (many machines that try one name). The last one fills fast, so that nobody can lock an
officer out by guessing under his name. Memory is bounded; after a restart everybody starts anew.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A bucket: so many tries at once, then one every so many seconds."""

    tries: int
    every_s: float


PAIR = Rule(5, 20.0)
ADDRESS = Rule(20, 5.0)
ACCOUNT = Rule(50, 2.0)


class Buckets:
    """Token buckets by key; the one that was used longest ago goes when there are too many."""

    def __init__(self, rule: Rule, most: int = MOST_KEYS) -> None:
        self._rule = rule
        self._most = most
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._filled)

    def wait_s(self, key: str, now: float) -> float:
        """Return how long until a try is allowed; 0 when it is."""
        tokens = self._tokens(key, now)
        return 0.0 if tokens >= 1 else (1 - tokens) * self._rule.every_s

    def take(self, key: str, now: float) -> None:
        """Use a try up."""
        self._put(key, self._tokens(key, now) - 1, now)

    def give_back(self, key: str, now: float) -> None:
        """Return a try that turned out well."""
        self._put(key, min(self._rule.tries, self._tokens(key, now) + 1), now)

    def _tokens(self, key: str, now: float) -> float:
        tokens, at = self._filled.get(key, (float(self._rule.tries), now))
        return min(self._rule.tries, tokens + (now - at) / self._rule.every_s)

    def _put(self, key: str, tokens: float, now: float) -> None:
        self._filled[key] = (tokens, now)
        self._filled.move_to_end(key)
        while len(self._filled) > self._most:
            self._filled.popitem(last=False)


class Attempts:
    """The three rules together. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._pairs = Buckets(PAIR)
        self._addresses = Buckets(ADDRESS)
        self._accounts = Buckets(ACCOUNT)

    def take(self, account: str, address: str, now: float) -> float:
        """Use a try up and return 0, or return how many seconds until the next one is allowed."""
        network = network_of(address)
        buckets = self._keys(account, network)
        wait = max(bucket.wait_s(key, now) for bucket, key in buckets)
        if wait == 0:
            for bucket, key in buckets:
                bucket.take(key, now)
        return wait

    def succeeded(self, account: str, address: str, now: float) -> None:
        """Give the try back: only wrong passwords count."""
        for bucket, key in self._keys(account, network_of(address)):
            bucket.give_back(key, now)

    def _keys(self, account: str, network: str) -> list[tuple[Buckets, str]]:
        name = account[:100]
        return [(self._pairs, f"{network} {name}"), (self._addresses, network), (self._accounts, name)]


def network_of(address: str) -> str:
    """Return whose address it is: an IPv6 subscriber has a whole /64 (RFC 6177 gives him no less)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
