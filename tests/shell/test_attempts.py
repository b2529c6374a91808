"""How often a password may be tried."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vonggac.shell.attempts import ACCOUNT, ADDRESS, MOST_KEYS, PAIR, Attempts, Buckets, network_of


def test_after_five_wrong_passwords_one_has_to_wait_and_then_may_again() -> None:
    attempts = Attempts()
    for _ in range(PAIR.tries):
        assert attempts.take("trucban1", "192.0.2.1", now=0) == 0
    wait = attempts.take("trucban1", "192.0.2.1", now=0)
    assert 0 < wait <= PAIR.every_s
    assert attempts.take("trucban1", "192.0.2.1", now=wait) == 0


def test_right_passwords_use_nothing_up() -> None:
    attempts = Attempts()
    for moment in range(200):
        assert attempts.take("trucban1", "192.0.2.1", now=moment / 100) == 0
        attempts.succeeded("trucban1", "192.0.2.1", now=moment / 100)


def test_who_tries_many_names_from_one_machine_is_slowed_down() -> None:
    attempts = Attempts()
    allowed = sum(attempts.take(f"name{number}", "192.0.2.1", now=0) == 0 for number in range(100))
    assert allowed == ADDRESS.tries


def test_many_machines_that_try_one_name_keep_its_owner_out_for_seconds_only() -> None:
    attempts = Attempts()
    for number in range(1000):
        attempts.take("trucban1", f"198.51.{number // 250}.{number % 250}", now=0)
    assert attempts.take("trucban1", "192.0.2.1", now=0) <= ACCOUNT.every_s


def test_an_ipv6_subscriber_is_one_machine() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")


def test_memory_is_bounded_however_many_names_are_tried() -> None:
    buckets = Buckets(PAIR, most=100)
    for number in range(10_000):
        buckets.take(str(number), now=0)
    assert len(buckets) == 100
    assert MOST_KEYS <= 10_000


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=60))
def test_no_sequence_of_tries_makes_anybody_wait_longer_than_one_token(steps: list[tuple[int, bool]]) -> None:
    attempts = Attempts()
    now = 0.0
    for pause, good in steps:
        now += pause
        wait = attempts.take("name", "192.0.2.1", now)
        assert 0 <= wait <= max(PAIR.every_s, ADDRESS.every_s, ACCOUNT.every_s)
        if good and wait == 0:
            attempts.succeeded("name", "192.0.2.1", now)


@given(st.text(max_size=50))
def test_any_text_is_some_network(address: str) -> None:
    assert network_of(address)
