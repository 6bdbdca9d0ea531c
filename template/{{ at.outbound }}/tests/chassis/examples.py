"""How Hypothesis looks for examples here: for the same ones every time, however busy the machine is."""

from hypothesis import HealthCheck, settings

EXAMPLES = settings(
    max_examples=25,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
