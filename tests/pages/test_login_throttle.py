"""Delays after wrong passwords."""

import threading

from pages.ui.app import login_throttle
from pages.ui.app.login_throttle import LoginThrottle


class Clock:
    """A clock that moves when somebody sleeps."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_every_wrong_password_after_the_third_doubles_the_delay() -> None:
    clock = Clock()
    throttle, delays = LoginThrottle(clock), []
    for _ in range(12):
        delays.append(throttle.attempt("me"))
        clock.now += delays[-1]
        assert not delays[-1] or throttle.attempt("me") == 0.0
    assert delays == [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert throttle.attempt("me") == login_throttle.MAX_DELAY


def test_an_attempt_during_the_delay_does_not_make_it_longer() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock)
    for _ in range(3):
        assert throttle.attempt("me") == 0.0
    clock.now += 0.25
    assert [throttle.attempt("me") for _ in range(100)] == [0.75] * 100


def test_the_right_password_resets_the_delay_and_sessions_are_independent() -> None:
    throttle = LoginThrottle(Clock())
    for _ in range(3):
        throttle.attempt("me")
    assert throttle.attempt("me") > 0.0
    assert throttle.attempt("you") == 0.0
    throttle.succeed("me")
    assert throttle.attempt("me") == 0.0


def test_a_new_session_for_every_guess_gets_one_guess_a_second() -> None:
    clock = Clock()
    throttle, attempts = LoginThrottle(clock, clock.sleep), 0
    start = clock.now
    while clock.now < start + 3600:
        attempts += throttle.attempt(f"session {attempts}", "10.0.0.1") == 0.0
    assert attempts <= 3600 / login_throttle.PAUSE + login_throttle.ADDRESS_FREE + 1


def test_many_sessions_of_one_address_that_guess_at_once_get_three_guesses_a_second() -> None:
    entered, end = threading.Semaphore(0), threading.Event()

    def sleep(_: float) -> None:
        entered.release()
        end.wait(20)

    throttle = LoginThrottle(Clock(), sleep)
    for number in range(login_throttle.ADDRESS_FREE):
        assert throttle.attempt(f"{number}", "10.0.0.1") == 0.0
    threads = [threading.Thread(target=throttle.attempt, args=(f"more {number}", "10.0.0.1")) for number in range(3)]
    for thread in threads:
        thread.start()
        assert entered.acquire(timeout=20)
    assert throttle.attempt("one more", "10.0.0.1") == login_throttle.PAUSE
    end.set()
    for thread in threads:
        thread.join(20)
    assert throttle.attempt("one more", "10.0.0.1") == 0.0


def test_while_others_guess_a_presenter_waits_a_second_at_most_and_elsewhere_not_at_all() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock, clock.sleep)
    for number in range(500):
        throttle.attempt(f"guesser {number // 3}", "10.0.0.1")
        if number % 50 == 0:
            before = clock.now
            assert throttle.attempt(f"presenter {number}", "10.0.0.1") == 0.0  # in the same room
            assert clock.now - before <= 1.0
            throttle.succeed(f"presenter {number}", "10.0.0.1")
            before = clock.now
            assert throttle.attempt(f"colleague {number}", "10.0.0.2") == 0.0
            assert clock.now == before
            throttle.succeed(f"colleague {number}", "10.0.0.2")


def test_after_a_while_without_mistakes_there_is_no_pause() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock, clock.sleep)
    for number in range(30):
        throttle.attempt(f"{number}")
    clock.now += login_throttle.MAX_DELAY + 1
    before = clock.now
    assert throttle.attempt("new") == 0.0
    assert clock.now == before


def test_frequent_successful_logins_delay_nobody() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock, clock.sleep)
    for number in range(100):
        assert throttle.attempt(f"{number}") == 0.0
        throttle.succeed(f"{number}")
    assert clock.now == Clock.now


def test_the_number_of_remembered_clients_is_bounded() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock)
    for number in range(login_throttle.MAX_CLIENTS + 50):
        clock.now += login_throttle.MAX_DELAY
        assert throttle.attempt(f"{number}", f"10.{number}") == 0.0
    assert len(throttle._sessions) == len(throttle._addresses) == login_throttle.MAX_CLIENTS
