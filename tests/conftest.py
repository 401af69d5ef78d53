from hypothesis import settings

# how long an example takes says nothing when simulations run on the other cores
settings.register_profile("panther", deadline=None)
settings.load_profile("panther")
