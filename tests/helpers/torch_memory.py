"""Memory as torch's allocator sees it."""
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def allocated(run: Callable[[], object]) -> tuple[int, int]:
    """Bytes that torch's allocator gave out, at most and in the end, by torch's profiler."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = run()
    events = [event for event in profiler.profiler.kineto_results.events()
              if event.name() == '[memory]']
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    del kept
    return peak, live
