-- Refuses a user's token whose scopes the user has not consented to. The consent is locked first: a withdrawal at the
-- same time waits and then deletes the token, and after an earlier withdrawal the token is refused. A token without
-- scopes allows nothing and needs no consent. The error is a foreign key's, because the trigger acts like one.
CREATE OR REPLACE FUNCTION "Oauth_token_has_consent"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> ALL (ARRAY['public."OauthAccessToken"', 'public."OauthRefreshToken"']::regclass[]) THEN
    RAISE EXCEPTION 'Oauth_token_has_consent: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NEW."userId" IS NULL OR coalesce(cardinality(NEW."scopes"), 0) = 0 OR EXISTS (
    SELECT 1 FROM "OauthClient" WHERE "clientId" = NEW."clientId" AND "skipConsent"
  ) THEN
    RETURN NEW;
  END IF;
  PERFORM 1 FROM "OauthConsent" WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" ORDER BY "id" FOR SHARE;
  IF NOT EXISTS (
    SELECT 1 FROM "OauthConsent"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND NEW."scopes" <@ "scopes"
  ) THEN
    RAISE EXCEPTION 'The user does not consent to what the token of % would allow.', NEW."clientId"
      USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER "OauthAccessToken_has_consent" BEFORE INSERT OR UPDATE OF "scopes" ON "OauthAccessToken"
  FOR EACH ROW EXECUTE FUNCTION "Oauth_token_has_consent"();
CREATE OR REPLACE TRIGGER "OauthRefreshToken_has_consent" BEFORE INSERT OR UPDATE OF "scopes" ON "OauthRefreshToken"
  FOR EACH ROW EXECUTE FUNCTION "Oauth_token_has_consent"();
