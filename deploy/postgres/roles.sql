-- Two roles, with no right that they do not need. Run in the platform's database by a superuser, before the first
-- migration:
--   psql "$SUPERUSER_URL" -v ON_ERROR_STOP=1 -v migrator=pmo_migrator -v web=pmo_web -f deploy/postgres/roles.sql
--   psql "$SUPERUSER_URL" -c '\password pmo_migrator' -c '\password pmo_web'
-- The migrator owns the tables: DATABASE_URL of `manage.py migrate`. All else (web servers, other commands) is
-- the web role: it reads and writes rows, and can neither change tables or triggers nor get past them.
SELECT current_database() AS database \gset
CREATE ROLE :"migrator" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE ROLE :"web" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 200;

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"database" TO :"migrator";
GRANT CONNECT ON DATABASE :"database" TO :"web";

CREATE SCHEMA IF NOT EXISTS app;
ALTER SCHEMA app OWNER TO :"migrator";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO :"migrator";
GRANT USAGE ON SCHEMA public, app TO :"web";

-- What the migrator makes, in either schema, the web role may use.
ALTER DEFAULT PRIVILEGES FOR ROLE :"migrator" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"web";
ALTER DEFAULT PRIVILEGES FOR ROLE :"migrator" GRANT USAGE, SELECT ON SEQUENCES TO :"web";
