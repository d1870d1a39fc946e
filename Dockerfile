# One image for MLflow's server, the steps, the watcher with its model servers, the gateway and the console.
# The lock is installed before the code is copied: a code change installs nothing.
# the image, or its digest: .env's PYTHON_IMAGE
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}

WORKDIR /app
COPY requirements.txt ./
RUN python -m venv .venv && .venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

RUN useradd --uid 10001 --create-home streamflow \
    && install --directory --owner=streamflow --group=streamflow /artifacts /data /lake /keys/private /keys/public /sockets

# home and caches are in /tmp, the only writable folder; the image has no git
ENV PATH=/app/local_stack/bin:/app/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GIT_PYTHON_REFRESH=quiet \
    MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false

COPY . .
RUN .venv/bin/python -m compileall -q configuration console deploy feature_enricher feature_repo feature_store local_stack rollout sealing steps tracking_server
ARG STREAMFLOW_COMMIT=
# some builders cache ENV by its text and would keep an older commit; RUN's cache depends on the argument
RUN true "$STREAMFLOW_COMMIT"
ENV STREAMFLOW_COMMIT=$STREAMFLOW_COMMIT
USER streamflow
