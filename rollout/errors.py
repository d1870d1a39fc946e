"""The ways the watcher's work can fail.

RolloutError         base: one line for a tired person
  InvalidSetting     a setting that cannot be meant; the watcher does not start
  NotFit             a version that must not serve: it did not load, did not become healthy, or answered wrongly
  Cancelled          somebody moved another version to the stage meanwhile, or the watcher ends
"""


class RolloutError(Exception):
    pass


class InvalidSetting(RolloutError):
    pass


class NotFit(RolloutError):
    pass


class Cancelled(RolloutError):
    pass
