"""Proposals of a search and its early ends, by the samplers and pruners of Optuna.

Every batch is proposed by a new study, made from the trials that are stored and from a seed that depends on the search
and the number of the batch alone. So a search that was interrupted proposes what it would have proposed anyway, and
nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kd_core.base.seeds import derive_seed
from kd_core.config.run import RunConfig
from kd_core.config.sweep.search import Dimension, Search
from kd_core.export.packages import missing_packages
from kd_core.runs.sweeps.search_results import Trial
from kd_core.store.records import COMPLETED, PRUNED

RUNGS = 4  # equal parts of a training, after each of which but the last a trial may be ended
MAX_PROPOSALS = 60  # for each trial of a batch, of which none is new, before a search has nothing left to try
STARTUP_TRIALS = 10  # drawn at random before the sampler learns from them
COMPARED_TRIALS = 5  # completed ones before any trial is ended early
DIGITS = 4  # significant digits of a proposed number

Reports = Mapping[int, float]  # values by step


def check_optuna() -> None:
    """Raise ValueError with the way to install Optuna where it is missing."""
    if sentence := missing_packages("A search", ("optuna",), '"distillery-lab[search]"'):
        raise ValueError(sentence)


def propose(search: Search, trials: Sequence[Trial], reports: Mapping[int, Reports]) -> list[RunConfig]:
    """Return the configurations of the next batch, fewer or none where there is nothing new to try.

    ``reports`` are the values of the trials by number, for :func:`should_prune`.
    """
    study = create_study(search, trials, reports)
    count = min(search.batch, search.trials - len(trials))
    before = {trial.runs[0].family for trial in trials}
    configs: list[RunConfig] = []
    for _ in range(MAX_PROPOSALS * count):
        if len(configs) == count:
            break
        proposal = study.ask()
        try:
            config = _suggest(search, proposal)
        except ValueError:  # classes that do not go together
            study.tell(proposal, state=_states().FAIL)
            continue
        family = _family(config)
        if family in before:  # the same numbers again
            study.tell(proposal, state=_states().FAIL)
            continue
        before.add(family)
        configs.append(config)
    return configs


def create_study(search: Search, trials: Sequence[Trial], reports: Mapping[int, Reports]) -> Any:
    """Return a study with the ended trials, whose sampler is seeded by the search and their number."""
    import optuna  # optional, and a third of a second

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = derive_seed(search.base.seed, "search", len(trials)) % 2**32
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed
    )
    pruner = optuna.pruners.MedianPruner(n_startup_trials=COMPARED_TRIALS, n_warmup_steps=0)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    by_name = {dimension.option: dimension for dimension in search.dimensions}
    for trial in trials:
        if trial.state not in (COMPLETED, PRUNED) or trial.accuracy is None:
            continue
        state = optuna.trial.TrialState.COMPLETE if trial.state == COMPLETED else optuna.trial.TrialState.PRUNED
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=trial.accuracy,
                params={name: _parameter(by_name[name], value) for name, value in trial.values.items()},
                distributions={name: _distribution(by_name[name]) for name in trial.values},
                intermediate_values=dict(reports.get(trial.number, {})),
            )
        )
    return study


def should_prune(study: Any, reports: Reports) -> bool:
    """Return whether a trial with these values by step is worse than the median of the completed ones."""
    import optuna

    trial = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, intermediate_values=dict(reports))
    return bool(study.pruner.prune(study, trial))


def _suggest(search: Search, proposal: Any) -> RunConfig:
    """Return the configuration of a proposal, classes first. Raises ValueError for one that is refused."""
    values = {
        dimension.option: proposal.suggest_categorical(dimension.option, dimension.choices)
        for dimension in search.classes
    }
    present = search.config(values).flat()
    for dimension in search.dimensions:
        if dimension.option in present and dimension.option not in values:
            values[dimension.option] = _text(dimension, _value(dimension, proposal))
    return search.config(values)


def _value(dimension: Dimension, proposal: Any) -> Any:
    if dimension.choices:
        return proposal.suggest_categorical(dimension.option, dimension.choices)
    if dimension.is_whole:
        return proposal.suggest_int(dimension.option, int(dimension.low), int(dimension.high), log=dimension.is_log)
    return proposal.suggest_float(dimension.option, dimension.low, dimension.high, log=dimension.is_log)


def _text(dimension: Dimension, value: Any) -> str:
    """Return a proposed value as text; a real number with a few digits, within the range."""
    if not isinstance(value, float):
        return str(value)
    rounded = float(f"{value:.{DIGITS}g}")
    return f"{min(max(rounded, dimension.low), dimension.high):.10g}"


def _parameter(dimension: Dimension, text: str) -> Any:
    if dimension.choices:
        return text
    return int(float(text)) if dimension.is_whole else float(text)


def _distribution(dimension: Dimension) -> Any:
    from optuna import distributions

    if dimension.choices:
        return distributions.CategoricalDistribution(dimension.choices)
    if dimension.is_whole:
        return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.is_log)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.is_log)


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState


def _family(config: RunConfig) -> str:
    from kd_core.store.records import family_of

    return family_of(config)
