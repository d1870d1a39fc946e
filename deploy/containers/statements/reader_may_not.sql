SELECT * FROM public.users
SELECT * FROM public.labels
SELECT * FROM public.seals
SELECT * FROM public.monitoring
SELECT * FROM public.subscriptions_profile_snapshots
SELECT * FROM feast_online.streamflow_subs_profile_fv FOR SHARE
INSERT INTO feast_online.streamflow_subs_profile_fv SELECT * FROM feast_online.streamflow_subs_profile_fv
DELETE FROM feast_online.streamflow_subs_profile_fv
TRUNCATE feast_online.streamflow_subs_profile_fv
DROP TABLE feast_online.streamflow_subs_profile_fv
ALTER TABLE feast_online.streamflow_subs_profile_fv ADD mine int
CREATE INDEX mine ON feast_online.streamflow_subs_profile_fv (value)
CREATE TABLE feast_online.mine (x int)
CREATE TABLE public.mine (x int)
DELETE FROM feast_registry.feature_services
LOCK TABLE feast_online.streamflow_subs_profile_fv IN ROW SHARE MODE
LOCK TABLE feast_online.streamflow_subs_profile_fv IN ROW EXCLUSIVE MODE
LOCK TABLE feast_online.streamflow_subs_profile_fv IN SHARE MODE
LOCK TABLE feast_online.streamflow_subs_profile_fv
LOCK TABLE public.users IN ACCESS SHARE MODE
LOCK TABLE public.seals IN ACCESS SHARE MODE
SELECT * FROM public.decisions
UPDATE public.decisions SET reason = 'mine'
DELETE FROM public.decisions
TRUNCATE public.decisions
SELECT * FROM public.campaigns
SELECT * FROM public.decision_requests
SELECT * FROM public.campaign_gains
SELECT * FROM public.campaign_profits
