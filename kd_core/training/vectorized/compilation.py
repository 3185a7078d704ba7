"""Background compilation of a training step with torch inductor.

This is the only file that uses parts of torch outside of its stable interface: ``make_fx`` and ``torch._inductor``.
Without them steps stay eager, with the same numbers up to rounding.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

log = logging.getLogger(__name__)

NEVER, AUTO, ALWAYS = "never", "auto", "always"
COMPILE_SECONDS = 25.0  # to compile a training step, about
FLOPS_PER_SECOND = 40e9  # of one thread, about
CALL_SECONDS = 1e-3  # of Python and dispatcher time in one eager step, about

StepFunction = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
CompiledFunction = Callable[..., tuple[Tensor, ...]]  # with one argument for each tensor

_compiler_lock = threading.Lock()  # the compiler is not thread-safe
_has_warned = threading.Event()  # that compilation does not work on this machine


def is_worthwhile(steps: int, operations: float) -> bool:
    """Return whether compilation saves more time than it takes.

    A compiled step takes about half the time. The answer depends on the sizes alone, not on the clock.

    Args:
        steps: Steps still to take.
        operations: Floating-point operations of each.
    """
    return steps * (CALL_SECONDS + operations / FLOPS_PER_SECOND) / 2 > COMPILE_SECONDS


def compile_graph(traced: torch.fx.GraphModule, arguments: Sequence[Tensor]) -> CompiledFunction:
    """Compile a traced function with the compiler behind ``torch.compile``, without the guards of the latter.

    The guards check at every call that the arguments have not changed in kind, which they never do here; for a small
    network that takes half as long as the step.
    """
    options = {"triton.cudagraphs": True} if arguments[0].is_cuda else {}
    from torch import _inductor  # slow to import, and seldom needed

    compiled: CompiledFunction = _inductor.compile(traced, list(arguments), options=options)
    return compiled


class CompileJob:
    """Compilation of a function of tensors in a thread of its own, one at a time in the process.

    Args:
        function: Takes a sequence of tensors, and may change them in place.
        arguments: Example arguments, which are copied; only their shapes matter.

    ``ready`` is the compiled function, or None while compiling and after a failure; ``seconds`` how long it took.
    """

    def __init__(self, function: StepFunction, arguments: Sequence[Tensor]) -> None:
        self.ready: CompiledFunction | None = None
        self.is_used = False  # set by the caller
        self.seconds = 0.0
        self._function = function
        self._arguments = [argument.clone() for argument in arguments]
        self._threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._run, name="compiling a step", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the compilation has succeeded or failed."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Block until the compilation is over."""
        self._thread.join()

    def _run(self) -> None:
        torch.set_num_threads(self._threads)  # per thread; the code is compiled for this number
        from torch.fx.experimental.proxy_tensor import make_fx

        with _compiler_lock, torch.no_grad():
            started = time.perf_counter()
            try:
                # Tracing leaves plain operations, whatever of torch.func or autograd the step uses.
                traced = make_fx(lambda *tensors: self._function(tensors))(*[a.clone() for a in self._arguments])
                compiled = compile_graph(traced, self._arguments)
                compiled(*self._arguments)
            except Exception as error:  # no C++ compiler, or any of the many errors of a compiler
                if not _has_warned.is_set():
                    _has_warned.set()
                    log.warning("Training steps are not compiled here: %s", str(error).strip().partition("\n")[0])
            else:
                self.ready = compiled
            self.seconds = time.perf_counter() - started
        self._arguments = []
