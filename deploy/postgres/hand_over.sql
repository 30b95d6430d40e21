-- Gives the migrator what this session's superuser owns in the platform's schemas, for installations whose migrations
-- used to run as the superuser, and sets both roles' passwords from the environment.
--   psql -v migrator=pmo_migrator -v web=pmo_web -f deploy/postgres/hand_over.sql
\getenv migrator_password MIGRATOR_PASSWORD
\getenv web_password WEB_PASSWORD
ALTER ROLE :"migrator" PASSWORD :'migrator_password';
ALTER ROLE :"web" PASSWORD :'web_password';
-- Indexes, sequences of columns and triggers follow their tables.
SELECT format('ALTER TABLE %s OWNER TO %I', oid::regclass, :'migrator') FROM pg_class
  WHERE relnamespace::regnamespace IN ('app', 'public') AND relkind IN ('r', 'p', 'v', 'm')
    AND relowner = current_user::regrole \gexec
SELECT format('ALTER ROUTINE %s OWNER TO %I', oid::regprocedure, :'migrator') FROM pg_proc
  WHERE pronamespace::regnamespace IN ('app', 'public') AND proowner = current_user::regrole \gexec
-- The migrator's default privileges do not cover what the superuser has made.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA app, public TO :"web";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA app, public TO :"web";
