import os

from hypothesis import settings

settings.register_profile(
    "panther",
    # how long an example takes says nothing when simulations run on the other cores
    deadline=None,
    # the same examples in every run, but for runs that ask for others with a seed of their own
    derandomize=os.environ.get("PANTHER_SEED", "1") == "1",
)
settings.load_profile("panther")
