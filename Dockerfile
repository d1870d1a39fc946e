# One image for everything that is ours: MLflow's server, the steps, the watcher with its model servers, the gateway.
# The lock comes before the code: a change of the code copies a few files and installs nothing.
FROM python:3.11-slim

RUN useradd --uid 10001 --create-home streamflow \
    && install --directory --owner=streamflow --group=streamflow /artifacts /data /lake

WORKDIR /app
COPY requirements.txt ./
RUN python -m venv .venv && .venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check -r requirements.txt

# home and caches are in /tmp, the one place that can be written to; there is no git in the image
ENV PATH=/app/local_stack/bin:/app/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GIT_PYTHON_REFRESH=quiet \
    MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false

COPY . .
RUN .venv/bin/python -m compileall -q configuration deploy feature_enricher feature_repo feature_store local_stack rollout steps
ARG STREAMFLOW_COMMIT=
# a builder that keeps layers by their text would take another commit's: of a RUN, the arguments count too
RUN true "$STREAMFLOW_COMMIT"
ENV STREAMFLOW_COMMIT=$STREAMFLOW_COMMIT
USER streamflow
