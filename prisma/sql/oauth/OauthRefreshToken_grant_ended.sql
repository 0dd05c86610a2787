-- Ends a grant, which is all refresh tokens that come from one authorization code. Deleting a token that is valid, or
-- was revoked within the last day, deletes the others. That includes a token that another request has written
-- meanwhile, because the statements of this trigger see it. Older tokens are deleted without the others.
CREATE OR REPLACE FUNCTION "OauthRefreshToken_grant_ended"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  v_grants text[] := ARRAY(
    SELECT DISTINCT "authorizationCodeId" FROM "gone"
    WHERE "expiresAt" > now() AND coalesce("revoked", now()) > now() - interval '1 day'
  );
BEGIN
  IF TG_RELID <> 'public."OauthRefreshToken"'::regclass THEN
    RAISE EXCEPTION 'OauthRefreshToken_grant_ended: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF EXISTS (SELECT 1 FROM "OauthRefreshToken" WHERE "authorizationCodeId" = ANY(v_grants)) THEN
    DELETE FROM "OauthRefreshToken" WHERE "authorizationCodeId" = ANY(v_grants);
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "OauthRefreshToken_grant_ended" AFTER DELETE ON "OauthRefreshToken"
  REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "OauthRefreshToken_grant_ended"();
