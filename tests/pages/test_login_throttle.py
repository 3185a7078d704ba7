"""Delays after wrong passwords."""

from pages.ui.app import login_throttle
from pages.ui.app.login_throttle import LoginThrottle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


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


def test_opening_new_sessions_does_not_speed_up_guessing() -> None:
    clock = Clock()
    throttle, attempts = LoginThrottle(clock), 0
    start = clock.now
    while clock.now < start + 3600:
        delay = throttle.attempt(f"session {attempts}")
        attempts += not delay
        clock.now += delay
    assert attempts < 3600 / login_throttle.TOTAL_MAX_DELAY + login_throttle.TOTAL_FREE + 6
    clock.now += login_throttle.MAX_DELAY + 1  # without attacks a presenter is not delayed
    assert throttle.attempt("the presenter") == 0.0


def test_frequent_successful_logins_delay_nobody() -> None:
    throttle = LoginThrottle(Clock())
    for number in range(100):
        assert throttle.attempt(f"{number}") == 0.0
        throttle.succeed(f"{number}")


def test_the_number_of_remembered_sessions_is_bounded() -> None:
    clock = Clock()
    throttle = LoginThrottle(clock)
    for number in range(login_throttle.MAX_SESSIONS + 50):
        clock.now += login_throttle.MAX_DELAY
        assert throttle.attempt(f"{number}") == 0.0
    assert len(throttle._failures) == login_throttle.MAX_SESSIONS
