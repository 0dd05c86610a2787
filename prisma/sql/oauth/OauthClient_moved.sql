-- Withdraws all consents to a program that gets a new redirect address, because users consented to the old addresses.
CREATE OR REPLACE FUNCTION "OauthClient_moved"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthClient"'::regclass THEN
    RAISE EXCEPTION 'OauthClient_moved: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM "OauthConsent" WHERE "clientId" = NEW."clientId";
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER "OauthClient_moved" AFTER UPDATE OF "redirectUris" ON "OauthClient"
  FOR EACH ROW WHEN (NOT NEW."redirectUris" <@ OLD."redirectUris") EXECUTE FUNCTION "OauthClient_moved"();
