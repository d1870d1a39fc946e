"""The errors that end a step.

StepError                  base: a message of one line, and the exit code of the process
  BadParameter             an invalid -P value
  FaultyMonth              the month's files break the schema; nothing was loaded
  StoppedByRule            a rule across months alarmed: the month is neither loaded nor put online
  MonthUnderWay            another process runs the month or catches up
  MixedOrigins             made-up months and real ones would meet in one warehouse; nothing was loaded
  RowRefused               a row passed the checks and broke a constraint of the database; nothing was loaded
  NoSnapshot               the month was never ingested
  NoLabels                 the month has features but no labels
  NoTraining               there is no finished training run to register
  TooFewToLearn            one of the two classes has too few rows to split, train and validate on
  DatasetNotBuilt          the run of build_dataset that a training started has failed
  DatasetMismatch          a dataset's rows do not have the sha256 that was recorded for them
  NoSuchVersion            the registered model has no version of that number
  UnusableVersion          a version cannot be loaded, or raises on prediction
  IncomparableVersions     the version in Production cannot be scored on the candidate's rows
  SealKeyUnusable          the private key of the seals cannot be read or made
  NoRollback               no version to go back to, or it must not serve
  NoApproval               the version does not wait for a person, or does not pass the gate any more
  LakeDisagrees            a month's Parquet files are not the recorded ones
  EngineUnavailable        the configured offline engine misses a dependency
  ExtraMissing             a package of an optional extra is not installed
  OnlineStoreUnavailable   the configured online store is invalid, misses a dependency, or is down
  DatabaseUnavailable      PostgreSQL is down
  SchemaMismatch           the warehouse is newer than this code, or was migrated by other files
  ArtifactsUnavailable     the artifact store is down, or refuses
  TrackingUnavailable      the MLflow tracking store is down, or refuses our login
  ExperimentDeleted        the configured experiment was deleted
  DiskFull                 the disk of a folder or of the database is full
"""

from collections.abc import Sequence

from configuration import names


class StepError(Exception):
    exit_code = 1
    label = "ERROR"  # before the message


class BadParameter(StepError):
    exit_code = 2


class FaultyMonth(StepError):
    """faults: all of them."""

    def __init__(self, message: str, faults: Sequence[object]) -> None:
        super().__init__(message)
        self.faults = list(faults)


class StoppedByRule(StepError):
    exit_code = names.STOPPED
    label = "STOPPED"


class MonthUnderWay(StepError):
    pass


class MixedOrigins(StepError):
    pass


class RowRefused(StepError):
    pass


class NoSnapshot(StepError):
    pass


class NoLabels(StepError):
    pass


class NoTraining(StepError):
    pass


class TooFewToLearn(StepError):
    pass


class DatasetNotBuilt(StepError):
    pass


class DatasetMismatch(StepError):
    pass


class NoSuchVersion(StepError):
    pass


class UnusableVersion(StepError):
    pass


class IncomparableVersions(StepError):
    pass


class SealKeyUnusable(StepError):
    pass


class NoRollback(StepError):
    pass


class NoApproval(StepError):
    pass


class LakeDisagrees(StepError):
    pass


class EngineUnavailable(StepError):
    pass


class ExtraMissing(StepError):
    pass


class OnlineStoreUnavailable(StepError):
    pass


class DatabaseUnavailable(StepError):
    pass


class SchemaMismatch(StepError):
    pass


class DiskFull(StepError):
    pass


class TrackingUnavailable(StepError):
    pass


class ArtifactsUnavailable(StepError):
    pass


class ExperimentDeleted(StepError):
    pass
