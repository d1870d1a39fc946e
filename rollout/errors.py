"""The ways the watcher's work can fail.

RolloutError         base: a message of one line
  InvalidSetting     a setting with an invalid value; the watcher does not start
  LaunchFailed       a version that cannot serve: it did not load, did not become healthy or failed its smoke test
  Cancelled          another version was promoted meanwhile, or the watcher is stopping
"""


class RolloutError(Exception):
    pass


class InvalidSetting(RolloutError):
    pass


class LaunchFailed(RolloutError):
    pass


class Cancelled(RolloutError):
    pass
