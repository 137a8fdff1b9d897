"""Properties are about results: how long an example takes on a shared machine proves nothing."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
