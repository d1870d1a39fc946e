"""The strongest reasons of each listed user, and the mean size of each feature's contribution."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from steps import warehouse
from steps.registry import explained
from steps.registry.explained import Explained
from steps.scoring.report import ListPart
from steps.scoring.scores import MonthScores, ScoringModel
from steps.training import dataset

STRONGEST = 3
SAMPLE = 1_000  # users for the means; all users of a million would take hours with a forest
ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class MeanContributions:
    """By feature, the mean absolute contribution over so many users, the largest first; on which scale."""

    scale: str
    users: int
    means: dict[str, float]

    @property
    def facts(self) -> dict[str, Any]:
        figures = {f"contribution_{name}": mean for name, mean in self.means.items()}
        return {"contributions_scale": self.scale, "contributions_users": self.users, **figures}

    @property
    def text(self) -> str:
        return ", ".join(f"{name} {mean:.4f}" for name, mean in self.means.items())


def of_users(model: ScoringModel, as_of: date, user_ids: Sequence[str]) -> list[list[str]]:
    """The strongest reasons of each user, such as `months_active=2 (+0.9712)`; none from a version without reasons."""
    rows = features_of_users(model, as_of, user_ids)
    texts: list[list[str]] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        chunk = rows.iloc[start : start + ROWS_AT_ONCE]
        explanation = explained.explain(model.loaded, chunk)
        texts += [[]] * len(chunk) if explanation is None else strongest(explanation, chunk)
    return texts


def strongest(explanation: Explained, rows: pd.DataFrame) -> list[list[str]]:
    """For each row its features with the largest contributions, such as `months_active=2 (+0.9712)`."""
    order = np.argsort(-np.abs(explanation.contributions), axis=1, kind="stable")[:, :STRONGEST]
    values = rows.to_numpy(dtype=object)
    return [
        [
            f"{explanation.features[nth]}={shown(values[row, nth])} ({explanation.contributions[row, nth]:+.4f})"
            for nth in chosen
        ]
        for row, chosen in enumerate(order.tolist())
    ]


def shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def sampled(user_ids: Iterable[str], size: int = SAMPLE) -> list[str]:
    """So many users, those with the smallest hashes: the same ones in every month that has them."""
    return sorted(user_ids, key=lambda user_id: hashlib.sha256(user_id.encode()).digest())[:size]


def of_a_sample(model: ScoringModel, as_of: date, scored: MonthScores) -> Explained | None:
    """The contributions of a sample of the scored users. None for a version that gives no reasons."""
    return explained.explain(model.loaded, features_of_users(model, as_of, sampled(scored.user_ids.to_pylist())))


def means_of_a_sample(model: ScoringModel, as_of: date, scored: MonthScores) -> MeanContributions | None:
    explanation = of_a_sample(model, as_of, scored)
    if explanation is None:
        return None
    means = np.abs(explanation.contributions).mean(axis=0)
    order = np.argsort(-means, kind="stable").tolist()
    by_name = {explanation.features[nth]: float(means[nth]) for nth in order}
    return MeanContributions(explanation.scale, len(explanation.contributions), by_name)


def with_means(part: ListPart, means: MeanContributions | None) -> ListPart:
    """The part of the report with the mean size of each feature's contribution."""
    if means is None:
        return part
    name = f"mean size of contributions ({means.scale}), a sample of {means.users:,} users"
    return replace(part, facts=part.facts | means.facts, rows=part.rows | {name: means.text})


def features_of_users(model: ScoringModel, as_of: date, user_ids: Sequence[str]) -> pd.DataFrame:
    """The users' features, in their order and the model's types."""
    chosen = pa.array(list(user_ids), pa.string())
    parts: list[pa.Table] = []
    warehouse.read_features(
        model.tables, as_of, lambda rows: parts.append(rows.filter(pc.is_in(rows["user_id"], value_set=chosen)))
    )
    rows = pa.concat_tables(parts)
    rows = rows.take(pc.index_in(chosen, value_set=rows["user_id"].combine_chunks()))
    types = {name: dataset.DTYPES[kind] for name, kind in model.types.items()}
    features: pd.DataFrame = rows.select(list(types)).to_pandas().astype(types)
    return features
