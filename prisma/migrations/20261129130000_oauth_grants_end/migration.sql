-- Ends what a user has granted a program with the session in which it was granted, and as a whole: a refresh
-- token outlived sign-outs and password resets, because its session was merely forgotten.

SELECT set_config('tollgate.system', 'on', true);

-- The sessions of these have ended.
DELETE FROM "OauthAccessToken" WHERE "sessionId" IS NULL AND "userId" IS NOT NULL;
DELETE FROM "OauthRefreshToken" WHERE "sessionId" IS NULL;

ALTER TABLE "OauthRefreshToken" DROP CONSTRAINT "OauthRefreshToken_sessionId_fkey";
ALTER TABLE "OauthRefreshToken" ADD CONSTRAINT "OauthRefreshToken_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "Session"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "OauthAccessToken" DROP CONSTRAINT "OauthAccessToken_sessionId_fkey";
ALTER TABLE "OauthAccessToken" ADD CONSTRAINT "OauthAccessToken_sessionId_fkey" FOREIGN KEY ("sessionId") REFERENCES "Session"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- A grant is all refresh tokens that come from one authorization code. Whoever deletes one that is good, or was
-- a day ago, ends the grant, also the token that another request is writing meanwhile: a statement of the trigger
-- sees it. Older ones are cleared away one by one.
CREATE FUNCTION "OauthRefreshToken_grant_ended"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_grants text[] := ARRAY(
    SELECT DISTINCT "authorizationCodeId" FROM "gone"
    WHERE "expiresAt" > now() AND coalesce("revoked", now()) > now() - interval '1 day'
  );
BEGIN
  IF EXISTS (SELECT 1 FROM "OauthRefreshToken" WHERE "authorizationCodeId" = ANY(v_grants)) THEN
    DELETE FROM "OauthRefreshToken" WHERE "authorizationCodeId" = ANY(v_grants);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "OauthRefreshToken_grant_ended" AFTER DELETE ON "OauthRefreshToken"
  REFERENCING OLD TABLE AS "gone" FOR EACH STATEMENT EXECUTE FUNCTION "OauthRefreshToken_grant_ended"();

-- What a user no longer consents to, a program no longer gets.
CREATE FUNCTION "OauthConsent_withdrawn"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM "OauthRefreshToken" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  DELETE FROM "OauthAccessToken" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  RETURN NULL;
END $$;
CREATE TRIGGER "OauthConsent_withdrawn" AFTER DELETE ON "OauthConsent"
  FOR EACH ROW EXECUTE FUNCTION "OauthConsent_withdrawn"();
