"""The watcher: keeps `mlflow models serve` running for the version in Production and reports which server is live.

    registry --poll--> watcher --launch, smoke test, end--> model servers (one live, one launching, some draining)
                          |
                          +--> GET /live (the gateway polls it)      +--> serving_history (which version served when)
                          +<-- POST /answers (how the live version answers: after a promotion, a reason to turn back)

python -m rollout
"""
