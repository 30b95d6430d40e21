-- Two roles, with no right that they do not need. Run in the platform's database by a superuser, before the first
-- migration:
--   psql "$SUPERUSER_URL" -v ON_ERROR_STOP=1 -v migrator=pmo_migrator -v web=pmo_web -f deploy/postgres/roles.sql
--   psql "$SUPERUSER_URL" -c '\password pmo_migrator' -c '\password pmo_web'
-- The migrator owns the tables: DATABASE_URL of `manage.py migrate`. All else (web servers, other commands) is
-- the web role: it reads and writes rows, and can neither change tables or triggers nor get past them.
SELECT current_database() AS database \gset
CREATE ROLE :"migrator" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE ROLE :"web" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 200;

GRANT CONNECT, CREATE ON DATABASE :"database" TO :"migrator";
GRANT CONNECT ON DATABASE :"database" TO :"web";
-- Where a platform has a table app.entity already, what others have and may do in its database stays.
SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'app' AND tablename = 'entity') AS adopting \gset
\if :adopting
  GRANT USAGE, CREATE ON SCHEMA app TO :"migrator";
  GRANT SELECT, INSERT, UPDATE, DELETE ON app.entity TO :"web";
  -- Only a table's owner may change it: the migrator becomes a member of that role, if not one of a superuser's.
  SELECT tableowner AS owner, rolsuper AS of_superuser
    FROM pg_tables JOIN pg_roles ON rolname = tableowner WHERE schemaname = 'app' AND tablename = 'entity' \gset
  \if :of_superuser
    ALTER TABLE app.entity OWNER TO :"migrator";
  \else
    GRANT :"owner" TO :"migrator";
  \endif
\else
  REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
  CREATE SCHEMA IF NOT EXISTS app;
  ALTER SCHEMA app OWNER TO :"migrator";
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
\endif
GRANT USAGE, CREATE ON SCHEMA public TO :"migrator";
GRANT USAGE ON SCHEMA public, app TO :"web";

-- What the migrator makes, in either schema, the web role may use.
ALTER DEFAULT PRIVILEGES FOR ROLE :"migrator" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"web";
ALTER DEFAULT PRIVILEGES FOR ROLE :"migrator" GRANT USAGE, SELECT ON SEQUENCES TO :"web";
