SELECT * FROM feast_online.streamflow_subs_profile_fv
SELECT * FROM feast_registry.feature_services
