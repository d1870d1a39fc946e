"""The ways the watcher's work can fail.

RolloutError         base: a message of one line
  InvalidSetting     a setting with an invalid value; the watcher does not start
  LaunchFailed       a version that cannot serve: it did not load, did not become healthy or failed its smoke test
    Refused          a version whose files are not the sealed ones, or that did not pass the gate
  Cancelled          another version was promoted meanwhile, or the watcher is stopping
"""

import re

CREDENTIALS = re.compile(r"//[^/\s]*@")


class RolloutError(Exception):
    pass


class InvalidSetting(RolloutError):
    pass


class LaunchFailed(RolloutError):
    pass


class Refused(LaunchFailed):
    pass


class Cancelled(RolloutError):
    pass


def first_line(error: BaseException) -> str:
    """The error's type and the first line of its message, without the credentials of addresses."""
    line = next(iter(str(error).strip().splitlines()), "")
    return CREDENTIALS.sub("//***@", f"{type(error).__name__}: {line}" if line else type(error).__name__)
