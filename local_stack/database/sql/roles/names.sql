-- For the blocks of the other files, in which psql replaces no variables.
SET client_min_messages = warning;
SELECT set_config('streamflow.owner', :'owner', false), set_config('streamflow.mlflow', :'owner' || '_mlflow', false),
       set_config('streamflow.watcher', :'owner' || '_watcher', false),
       set_config('streamflow.reader', :'owner' || '_reader', false),
       set_config('streamflow.log', :'owner' || '_log', false),
       set_config('streamflow.console', :'owner' || '_console', false)
