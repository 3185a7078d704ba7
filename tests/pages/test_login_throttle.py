from pages.ui.app import login_throttle
from pages.ui.app.login_throttle import LoginThrottle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_every_wrong_password_after_the_third_costs_twice_the_wait() -> None:
    clock = Clock()
    door, waits = LoginThrottle(clock), []
    for _ in range(12):
        waits.append(door.attempt("me"))
        clock.now += waits[-1]
        assert not waits[-1] or door.attempt("me") == 0.0
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert door.attempt("me") == login_throttle.LONGEST


def test_a_wait_is_not_made_longer_by_asking_again() -> None:
    clock = Clock()
    door = LoginThrottle(clock)
    for _ in range(3):
        assert door.attempt("me") == 0.0
    clock.now += 0.25
    assert [door.attempt("me") for _ in range(100)] == [0.75] * 100


def test_a_right_password_begins_anew_and_one_session_is_not_another() -> None:
    door = LoginThrottle(Clock())
    for _ in range(3):
        door.attempt("me")
    assert door.attempt("me") > 0.0
    assert door.attempt("you") == 0.0
    door.succeed("me")
    assert door.attempt("me") == 0.0


def test_new_sessions_do_not_help_who_guesses() -> None:
    clock = Clock()
    door, asked = LoginThrottle(clock), 0
    begun = clock.now
    while clock.now < begun + 3600:
        left = door.attempt(f"session {asked}")
        asked += not left
        clock.now += left
    assert asked < 3600 / login_throttle.ALL_LONGEST + login_throttle.ALL_FREE + 6
    clock.now += login_throttle.LONGEST + 1  # after some quiet nobody who knows it waits
    assert door.attempt("the presenter") == 0.0


def test_a_presenter_who_logs_in_often_keeps_nobody_out() -> None:
    door = LoginThrottle(Clock())
    for number in range(100):
        assert door.attempt(f"{number}") == 0.0
        door.succeed(f"{number}")


def test_what_is_remembered_is_bounded() -> None:
    clock = Clock()
    door = LoginThrottle(clock)
    for number in range(login_throttle.KNOWN + 50):
        clock.now += login_throttle.LONGEST
        assert door.attempt(f"{number}") == 0.0
    assert len(door._wrong) == login_throttle.KNOWN
