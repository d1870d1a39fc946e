"""The parameters of steps that train: what is trained on, the split, the probabilities and the hyperparameters."""

import argparse
from dataclasses import fields

from steps.cli import parameters
from steps.training import pipelines
from steps.training.split import SPLIT_RULES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument("--split", choices=SPLIT_RULES, required=True, help="see steps/training/split.py")
    parser.add_argument("--labels-known-at", type=parameters.optional(parameters.as_of), required=True, help="a day")
    parser.add_argument(
        "--calibration", choices=pipelines.CALIBRATIONS, required=True, help="none: the classifier's own score"
    )
    parser.add_argument(
        "--threshold", type=parameters.number(0, 1), required=True, help="predicted to leave above this probability"
    )
    parser.add_argument("--n-estimators", type=parameters.whole_number(1, 10_000), required=True, help="forest: trees")
    parser.add_argument(
        "--min-samples-leaf",
        type=parameters.whole_number(1, 10_000),
        required=True,
        help="forest: least users of a leaf",
    )
    parser.add_argument("--max-iter", type=parameters.whole_number(1, 10_000), required=True, help="boosting: trees")
    parser.add_argument("--max-leaf-nodes", type=parameters.whole_number(2, 10_000), required=True, help="boosting")
    parser.add_argument("--learning-rate", type=parameters.positive_number, required=True, help="boosting")
    parser.add_argument("--C", type=parameters.positive_number, required=True, help="logistic regression")


def hyperparameters(args: argparse.Namespace) -> pipelines.Hyperparameters:
    return pipelines.Hyperparameters(
        **{field.name: getattr(args, field.name) for field in fields(pipelines.Hyperparameters)}
    )
