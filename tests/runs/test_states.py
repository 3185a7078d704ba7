"""One state per run for all readers, and endings that cannot be written at first."""

import errno
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kd_core.__main__ import main
from kd_core.api.stored import load_run
from kd_core.base.events import Finished
from kd_core.config.run import RunConfig
from kd_core.config.sweep import Axis, Sweep
from kd_core.files.lock import lock_data_folder
from kd_core.runs.manager import RunManager
from kd_core.runs.run_states import RunStates
from kd_core.store import database, queries
from kd_core.store.database import Database, StateChange, add_state_functions
from kd_core.store.queries import RunQueries, Search
from kd_core.store.store import Store
from kd_core.training.loop import Trainer
from tools.testing.waiting import wait, wait_for_end

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("often")]

PACE = 0.05  # seconds per epoch
With = Callable[..., RunConfig]


def sqlite_error(message: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error


FAULTS = {
    "full": sqlite_error("database or disk is full", sqlite3.SQLITE_FULL),
    "locked": sqlite_error("database is locked", sqlite3.SQLITE_BUSY),
    "no space": OSError(errno.ENOSPC, "No space left on device"),
}


class Disk:
    """Disk whose writes to any database fail with ``fault`` while there is one."""

    fault: Exception | None = None


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, transaction = Disk(), Database._transaction

    @contextmanager
    def failing(self: Database) -> Iterator[sqlite3.Connection]:
        with transaction(self) as db:
            yield db
            if disk.fault is not None:  # before the commit, as the last moment at which a write can fail
                raise disk.fault

    monkeypatch.setattr(Database, "_transaction", failing)
    return disk


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Exception:
    return FAULTS[request.param]


@pytest.fixture
def config(small_with: With) -> RunConfig:
    return small_with(epochs="20")


@pytest.fixture
def sweep(small_with: With) -> Sweep:
    return Sweep(small_with(epochs="300"), (Axis("temperature", ("1", "4")),))


def written_state(runs: RunManager, run: str) -> str:
    """Return the state in the file, as another program reads it."""
    with closing(sqlite3.connect(runs.store.path)) as db:
        query = "SELECT state FROM runs WHERE id = ? UNION SELECT state FROM sweeps WHERE id = ?"
        return db.execute(query, (run, run)).fetchone()[0]


def all_states(runs: RunManager, run: str) -> set[str]:
    """Return the state of a run that belongs to no sweep, as each reader has it."""
    reader = RunQueries(runs.store)
    return {
        runs.status(run).state,
        runs.store.run(run).state,
        runs.store.states()[run],
        reader.by_ids([run])[run].state,
        reader.version(run)[0],
        *(row.state for row in reader.page(Search(facets={"state": runs.status(run).state}), 0, 10)),
        *(state for state in reader.choices()["state"] if run in {row.id for row in runs.store.in_state(state)}),
    }


def test_an_ending_that_cannot_be_written_counts_at_once_and_is_written_as_soon_as_it_can_be(
    runs: RunManager, config: RunConfig, disk: Disk, fault: Exception
) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    disk.fault = fault
    wait(lambda: "Training waits" in runs.status(run).notice)
    runs.stop(run)
    assert wait_for_end(runs, run) == "interrupted"
    assert all_states(runs, run) == {"interrupted"}
    assert written_state(runs, run) == "training"
    assert "That this run is interrupted could not be stored yet" in runs.status(run).notice
    disk.fault = None
    wait(lambda: written_state(runs, run) == "interrupted")
    wait(lambda: "could not be stored yet" not in runs.status(run).notice)
    assert all_states(runs, run) == {"interrupted"}
    runs.resume_from_checkpoint(run)
    assert wait_for_end(runs, run) == "completed"
    assert [event for _, event in runs.store.events(run)] == list(Trainer(config))


def test_runs_that_a_killed_process_left_are_interrupted_whether_or_not_that_can_be_written(
    tmp_path: Path, config: RunConfig, sweep: Sweep, disk: Disk, fault: Exception
) -> None:
    store = Store(tmp_path / "distillery.sqlite")
    store.add("a", config, "training")
    store.add_sweep("s", sweep, ["s0", "s1"], "paused")
    ended = list(Trainer(config))
    store.add("b", config, "training")
    store.append("b", 1, [(0.0, event) for event in ended])
    disk.fault = fault
    runs = RunManager(tmp_path)
    assert all_states(runs, "a") == {"interrupted"}
    assert all_states(runs, "b") == {"completed"}
    assert {runs.status(name).state for name in ("s", "s0", "s1")} == {"interrupted"}
    assert runs.integrity_report.interrupted == ("s", "a")
    assert all("could not be stored yet" in runs.status(name).notice for name in ("a", "b", "s", "s0"))
    with pytest.raises(ValueError, match="cannot be written"):
        runs.resume_from_checkpoint("a")
    disk.fault = None
    for name in ("a", "s", "s0", "s1"):
        wait(lambda name=name: written_state(runs, name) == "interrupted")
    wait(lambda: runs.status("a").notice == "")
    runs.close()


def test_a_run_can_be_deleted_as_soon_as_it_is_over_for_its_readers(
    runs: RunManager, config: RunConfig, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.start(config, pace=PACE)
    wait(lambda: runs.store.count(run) > 10)
    disk.fault = FAULTS["full"]
    wait(lambda: runs.status(run).notice)
    monkeypatch.setattr("kd_core.runs.event_writer.RETRY_SECONDS", 60.0)  # no attempt before the deletion
    runs.stop(run)
    assert wait_for_end(runs, run) == "interrupted"
    with pytest.raises(ValueError, match="The disk is full"):
        runs.trash.delete(run)
    disk.fault = None
    assert written_state(runs, run) == "training"
    runs.trash.delete(run)
    assert runs.status(run) is None


def test_a_run_begins_and_pauses_for_all_readers_while_nothing_can_be_written(
    runs: RunManager, config: RunConfig, disk: Disk
) -> None:
    first, second = runs.start(config, pace=PACE), runs.start(config, pace=PACE)
    runs.pause(second)
    assert all_states(runs, second) == {"queued"}  # the pause begins with the run
    wait(lambda: runs.status(first).done)
    disk.fault = FAULTS["locked"]
    runs.pause(first)
    assert all_states(runs, first) == {"paused"}
    runs.resume(first)
    assert all_states(runs, first) == {"training"}
    disk.fault = None
    assert wait_for_end(runs, first) == "completed"
    wait(lambda: written_state(runs, second) == "paused")
    assert all_states(runs, second) == {"paused"}
    runs.resume(second)
    assert wait_for_end(runs, second) == "completed"
    wait(lambda: written_state(runs, second) == "completed")


def test_a_run_that_begins_while_nothing_can_be_written_waits_and_is_not_interrupted(
    runs: RunManager, config: RunConfig, disk: Disk
) -> None:
    first, second = runs.start(config, pace=PACE), runs.start(config)
    wait(lambda: runs.store.count(first) > 10)
    disk.fault = FAULTS["full"]
    runs.stop(first)
    assert wait_for_end(runs, first) == "interrupted"
    wait(lambda: "Training waits" in runs.status(second).notice)
    assert all_states(runs, second) == {"training"}
    assert written_state(runs, second) == "queued"
    disk.fault = None
    assert wait_for_end(runs, second) == "completed"


def test_an_error_after_the_last_event_does_not_contradict_it(
    runs: RunManager, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("kd_core.files.checkpoint.CheckpointRotation.remove_previous", refuse)
    run = runs.start(config)
    assert wait_for_end(runs, run) == "completed"
    assert isinstance(runs.store.events(run)[-1][1], Finished)
    assert runs.status(run).notice == ""


def test_a_command_after_the_end_changes_no_state(runs: RunManager, config: RunConfig) -> None:
    run = runs.start(config)

    def press() -> None:
        while runs.status(run).is_active:
            runs.pause(run)
            runs.resume(run)

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs.pause(run)
    assert all_states(runs, run) == {"completed"}


def test_a_reader_sees_a_change_that_is_written_while_it_reads(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "distillery.sqlite")
    store.add("a", config, "training")
    states = RunStates(store)
    store.set_states({"a": ("training", None)})

    class WrittenBeforeLookup(dict[str, StateChange]):
        """Mapping that is looked up only after all changes have been written."""

        def __init__(self, changes: Mapping[str, StateChange]) -> None:
            self.changes = changes

        def get(self, run: str, default: StateChange) -> StateChange:  # type: ignore[override]
            writer = threading.Thread(target=states.flush)
            writer.start()
            writer.join()
            return self.changes.get(run, default)

    for module in (database, queries):
        monkeypatch.setattr(
            module, "add_state_functions", lambda db, changes: add_state_functions(db, WrittenBeforeLookup(changes))
        )
    other = Store(store.path, store.unwritten)
    states.set("a", "paused")
    assert other.states() == {"a": "paused"}
    states.set("a", "completed")
    assert RunQueries(store).by_ids(["a"])["a"].state == "completed"


def test_the_runs_of_a_sweep_that_cannot_be_written_end_with_it(
    runs: RunManager, sweep: Sweep, disk: Disk, fault: Exception
) -> None:
    name = runs.start_sweep(sweep)
    first, second = (member.id for member in runs.store.members(name))
    wait(lambda: runs.store.count(first) > 3)
    assert runs.store.run(first).state == "training"
    disk.fault = fault
    wait(lambda: "Training waits" in runs.status(name).notice)
    assert "Training waits" in runs.status(first).notice
    runs.stop(name)
    assert wait_for_end(runs, name) == "interrupted"
    assert {runs.status(run).state for run in (first, second)} == {"interrupted"}
    disk.fault = None
    wait(lambda: {written_state(runs, run) for run in (name, first, second)} == {"interrupted"})
    with pytest.raises(ValueError, match=f"Resume the sweep {name}"):
        runs.resume_from_checkpoint(first)
    runs.resume_from_checkpoint(name)
    assert wait_for_end(runs, name) == "completed"
    assert {member.state for member in runs.store.members(name)} == {"completed"}


def test_a_sweep_that_fails_leaves_no_run_waiting(
    runs: RunManager, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd_core.runs.worker.GroupTrainer", lambda *_, **__: 1 / 0)
    name = runs.start_sweep(sweep)
    assert wait_for_end(runs, name) == "failed"
    assert {member.state for member in runs.store.members(name)} == {"failed"}


def test_a_sweep_is_resumed_with_all_of_its_runs_or_not_at_all(
    tmp_path: Path, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "distillery.sqlite").add_sweep("s", sweep, ["s0", "s1"], "stopped")
    runs = RunManager(tmp_path)
    runs.store.set_states({"s0": ("completed", None), "s1": ("stopped", None)})
    with closing(sqlite3.connect(runs.store.path)) as db:
        db.execute("CREATE TRIGGER refuse BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'refused'); END")
    with pytest.raises(sqlite3.IntegrityError):
        runs.resume_from_checkpoint("s")
    assert runs.status("s").state == "stopped"
    runs.close()


def test_the_terminal_and_the_library_read_the_state_that_the_app_would(
    tmp_path: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path))
    store = Store(tmp_path / "distillery.sqlite")
    store.add("a", config, "training")
    with lock_data_folder(tmp_path):  # as the process that trains it does
        assert load_run("a").state == "training"
    assert load_run("a").state == "interrupted"
    assert main(["runs", "list", "--json"]) == 0
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == ["interrupted"]
    assert store.run("a").state == "training"  # a reader writes nothing


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_copy_of_the_database_alone_is_complete_after_a_clean_stop(tmp_path: Path, small: RunConfig) -> None:
    runs = RunManager(tmp_path / "data")
    run = runs.start(small)
    assert wait_for_end(runs, run) == "completed"
    expected = runs.store.events(run)
    runs.close()
    shutil.copy(runs.store.path, tmp_path / "copy.sqlite")
    assert Store(tmp_path / "copy.sqlite").events(run) == expected
    assert runs.store.path.with_name("distillery.sqlite-wal").stat().st_size == 0


def test_a_run_whose_folder_is_a_symbolic_link_is_not_resumed(tmp_path: Path, config: RunConfig) -> None:
    Store(tmp_path / "data" / "distillery.sqlite").add("a", config, "stopped")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data" / "runs").mkdir()
    (tmp_path / "data" / "runs" / "a").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    runs = RunManager(tmp_path / "data")
    with pytest.raises(ValueError, match="is a symbolic link"):
        runs.resume_from_checkpoint("a")
    assert runs.status("a").state == "stopped"
    runs.trash.delete("a")
    runs.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "elsewhere").is_dir()
