"""The watcher: keeps `mlflow models serve` running for whatever is in Production, and says which server is live.

    registry --poll--> watcher --starts, tries, ends--> model servers (one live, one on its way in, some draining)
                          |
                          +--> GET /live (the gateway asks)      +--> serving_history (who served when)

python -m rollout
"""
