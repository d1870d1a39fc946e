-- Only for a server of StreamFlow's own: nobody but the superuser connects to the databases that are always there.
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC
