"""The ways a step can end other than well.

StepError                  base: one line for a tired person, and the exit code of the process
  BadParameter             a -P value that cannot be meant
  FaultyMonth              the month's files break the schema; nothing was loaded
  MixedOrigins             made-up months and real ones would meet in one warehouse; nothing was loaded
  RowRefused               a row passed the checks and broke a constraint of the database; nothing was loaded
  NoSnapshot               the month asked for was never ingested
  NoLabels                 the month has features but no labels
  NoTraining               there is no finished training run to register
  TooFewToLearn            one of the two classes has too few rows to split, train and validate on
  DatasetMismatch          a dataset's rows do not have the sha256 that was recorded for them
  NoSuchVersion            the registered model has no version of that number
  UnusableVersion          a version cannot be loaded, or raises when asked
  IncomparableVersions     the version in Production cannot be scored on the candidate's rows
  NoRollback               there is nothing to put back, or it may not be
  LakeDisagrees            a month's Parquet files are not the ones that were written with it
  EngineUnavailable        the offline engine that is set is none, or lacks what it needs
  OnlineStoreUnavailable   the online store that is set is none, lacks what it needs, or does not answer
  DatabaseUnavailable      PostgreSQL does not answer
  SchemaMismatch           the warehouse is newer than this code, or was migrated by other files
  ArtifactsUnavailable     the store of artifacts does not answer, or refuses
  TrackingUnavailable      the MLflow tracking store does not answer, or not to us
  ExperimentDeleted        the experiment to record in was deleted, in the UI perhaps
  DiskFull                 a folder or the database has no room left
"""

from collections.abc import Sequence


class StepError(Exception):
    exit_code = 1


class BadParameter(StepError):
    exit_code = 2


class FaultyMonth(StepError):
    """Carries every fault, not just the first."""

    def __init__(self, message: str, faults: Sequence[object]) -> None:
        super().__init__(message)
        self.faults = list(faults)


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


class DatasetMismatch(StepError):
    pass


class NoSuchVersion(StepError):
    pass


class UnusableVersion(StepError):
    pass


class IncomparableVersions(StepError):
    pass


class NoRollback(StepError):
    pass


class LakeDisagrees(StepError):
    pass


class EngineUnavailable(StepError):
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
