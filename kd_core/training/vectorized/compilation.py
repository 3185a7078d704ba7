"""Compiling a function in the background, one at a time in the whole process; until it is done there is no hurry."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

log = logging.getLogger(__name__)

NEVER, AUTO, ALWAYS = "never", "auto", "always"
COMPILE_SECONDS = 25.0  # seconds that compiling a training step takes, about
FLOPS_PER_SECOND = 40e9  # floating-point operations per second of one thread, about
CALL_SECONDS = 1e-3  # seconds that the operations of one step take to be called, about

StepFunction = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
CompiledFunction = Callable[..., tuple[Tensor, ...]]  # the same, with one argument for each tensor

_one = threading.Lock()  # the compiler is not made for two threads
_is_told = threading.Event()  # that it does not work here


def is_worthwhile(steps: int, operations: float) -> bool:
    """Whether ``steps`` more steps of so many floating-point operations take long enough: a compiled one takes about
    half the time. Depends on the sizes alone, not on the clock."""
    return steps * (CALL_SECONDS + operations / FLOPS_PER_SECOND) / 2 > COMPILE_SECONDS


def compile_graph(traced: torch.fx.GraphModule, arguments: Sequence[Tensor]) -> CompiledFunction:
    """Torch's compiler behind ``torch.compile``: what that finds out at every call, whether the arguments are still of
    the same kind, takes a small network as long as half of its step, and here they always are."""
    graphs = {"triton.cudagraphs": True} if arguments[0].is_cuda else {}
    from torch import _inductor  # slow to import, and seldom needed

    made: CompiledFunction = _inductor.compile(traced, list(arguments), options=graphs)
    return made


class CompileJob:
    """``function`` of tensors, compiled on a thread of its own; ``arguments`` are copied, only their shapes count.

    The function may change its arguments in place, but not the ``constants`` that follow them.
    ``seconds``: how long it took, once it :attr:`is_over`.
    """

    def __init__(self, function: StepFunction, arguments: Sequence[Tensor], constants: Sequence[Tensor] = ()) -> None:
        self.ready: CompiledFunction | None = None
        self.is_used = False  # by whoever asked for it
        self.seconds = 0.0
        self._function = function
        self._arguments, self._constants = [argument.clone() for argument in arguments], list(constants)
        self._threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._run, name="compiling a step", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it is ready, or failed."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Until it is over."""
        self._thread.join()

    def _run(self) -> None:
        torch.set_num_threads(self._threads)  # of this thread; what is compiled is for so many
        from torch.fx.experimental.proxy_tensor import make_fx  # slow to import, and seldom needed

        with _one, torch.no_grad():
            begun = time.perf_counter()
            try:
                # Traced first: what is left are plain operations, whatever of torch.func or autograd the step uses.
                traced = make_fx(lambda *each: self._function(each))(
                    *[argument.clone() for argument in self._arguments], *self._constants
                )
                made = compile_graph(traced, [*self._arguments, *self._constants])
                made(*self._arguments, *self._constants)
            except Exception as error:  # no C++ compiler, or one of the many that a compiler raises
                if not _is_told.is_set():
                    _is_told.set()
                    log.warning("Training steps are not compiled here: %s", str(error).strip().partition("\n")[0])
            else:
                self.ready = made
            self.seconds = time.perf_counter() - begun
        self._arguments, self._constants = [], []
