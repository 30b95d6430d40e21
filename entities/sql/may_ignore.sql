-- pgtrigger's version lets anybody switch triggers off for a session, through `pgtrigger.ignore`; this one only those
-- who have the role of the function's owner.
CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name name) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce(trigger_name = ANY (nullif(current_setting('pgtrigger.ignore', true), '')::text[]), false)
    AND (SELECT pg_has_role(session_user, proowner, 'MEMBER') FROM pg_proc
      WHERE proname = '_pgtrigger_should_ignore' AND pronamespace = 'public'::regnamespace)
$$
