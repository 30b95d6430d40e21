-- Roles with least privilege. A superuser runs this in the platform's database before the first migration, and again
-- after it, for rights on what it made:
--   psql "$SUPERUSER_URL" -v ON_ERROR_STOP=1 -v migrator=pmo_migrator -v web=pmo_web -f deploy/postgres/roles.sql
--   psql "$SUPERUSER_URL" -c '\password pmo_migrator' -c '\password pmo_web'
-- The migrator owns the tables; use it in the DATABASE_URL of `manage.py migrate`. Everything else (web servers, other
-- commands) uses the web role: it reads and writes rows, and can neither change tables or triggers nor bypass them.
-- With `-v service=NAME` there is one more role, for another service or for people in psql: it reads and writes rows of
-- app.entity and nothing else. Its changes reach the cache, and the history names it; it can write to neither itself.
\if :{?service}
\else
  \set service ''
\endif
SELECT current_database() AS database \gset
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s', name, "limit")
  FROM (VALUES (:'migrator', ''), (:'web', 'CONNECTION LIMIT 200'), (:'service', '')) AS roles (name, "limit")
  WHERE name <> '' AND to_regrole(quote_ident(name)) IS NULL \gexec

GRANT CONNECT, CREATE ON DATABASE :"database" TO :"migrator";
GRANT CONNECT ON DATABASE :"database" TO :"web";
-- If a platform already has a table app.entity, the roles and rights of others in its database stay.
SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'app' AND tablename = 'entity' AND tableowner <> :'migrator')
  AS adopting, to_regclass('app.entity') IS NOT NULL AS has_entity, to_regclass('app.entity_event') IS NOT NULL
  AS has_history, :'service' <> '' AS has_service \gset
\if :adopting
  GRANT USAGE, CREATE ON SCHEMA app TO :"migrator";
  GRANT SELECT, INSERT, UPDATE, DELETE ON app.entity TO :"web";
  -- Only a table's owner may change it: the migrator becomes a member of that role, unless it is a superuser.
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

-- The web role may use what the migrator makes in either schema.
ALTER DEFAULT PRIVILEGES FOR ROLE :"migrator" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"web";
ALTER DEFAULT PRIVILEGES FOR ROLE :"migrator" GRANT USAGE, SELECT ON SEQUENCES TO :"web";

-- Only triggers write the history, with the migrator's rights.
\if :has_history
  REVOKE INSERT, UPDATE, DELETE ON app.entity_event FROM :"web";
\endif
\if :has_service
  GRANT CONNECT ON DATABASE :"database" TO :"service";
  GRANT USAGE ON SCHEMA app TO :"service";
  \if :has_entity
    GRANT SELECT, INSERT, UPDATE, DELETE ON app.entity TO :"service";
  \else
    \warn Run this again after the first migration: there is no table app.entity yet, which the service could write.
  \endif
\endif
