"""The training step of several replicas of one network as one function, compiled where that pays; see :mod:`.step`."""
