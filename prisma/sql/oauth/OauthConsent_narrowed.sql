-- Deletes the tokens for scopes that a consent no longer contains.
CREATE OR REPLACE FUNCTION "OauthConsent_narrowed"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthConsent"'::regclass THEN
    RAISE EXCEPTION 'OauthConsent_narrowed: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE "OauthConsent" SET "scopes" = NEW."scopes"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND "scopes" IS DISTINCT FROM NEW."scopes";
  DELETE FROM "OauthRefreshToken"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND NOT "scopes" <@ NEW."scopes";
  DELETE FROM "OauthAccessToken"
    WHERE "userId" = NEW."userId" AND "clientId" = NEW."clientId" AND NOT "scopes" <@ NEW."scopes";
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "OauthConsent_narrowed" AFTER UPDATE OF "scopes" ON "OauthConsent"
  FOR EACH ROW WHEN (NOT OLD."scopes" <@ NEW."scopes") EXECUTE FUNCTION "OauthConsent_narrowed"();
