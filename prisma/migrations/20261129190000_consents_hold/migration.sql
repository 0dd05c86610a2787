-- Ends what a program holds with the consent behind it: a code or a token that was under way while a consent was
-- withdrawn or narrowed outlived it. Dates grants, so that one from an old session does not go over to the next.

SELECT set_config('tollgate.system', 'on', true);

-- AlterTable
ALTER TABLE "OauthRefreshToken" ADD COLUMN     "grantedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- The oldest token of a grant that is still there is as old as the grant, or was made within its rotation.
UPDATE "OauthRefreshToken" t SET "grantedAt" = coalesce(
  (SELECT min(o."createdAt") FROM "OauthRefreshToken" o WHERE o."authorizationCodeId" = t."authorizationCodeId"),
  t."createdAt");

-- A next token is of the same grant as the one before it.
CREATE FUNCTION "OauthRefreshToken_dates_grant"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthRefreshToken"'::regclass THEN
    RAISE EXCEPTION 'OauthRefreshToken_dates_grant: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW."grantedAt" := coalesce(
    (SELECT min("grantedAt") FROM "OauthRefreshToken" WHERE "authorizationCodeId" = NEW."authorizationCodeId"),
    clock_timestamp());
  RETURN NEW;
END $$;
CREATE TRIGGER "OauthRefreshToken_dates_grant" BEFORE INSERT ON "OauthRefreshToken"
  FOR EACH ROW EXECUTE FUNCTION "OauthRefreshToken_dates_grant"();

-- A token for a user's scopes stands on the user's consent. The consent is locked first: a withdrawal that comes
-- at the same time waits and takes the token with it, and one that came before refuses the token. A token without
-- scopes allows nothing. The error is that of a foreign key, which this is in all but form.
CREATE FUNCTION "Oauth_token_has_consent"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
CREATE TRIGGER "OauthRefreshToken_has_consent" BEFORE INSERT OR UPDATE OF "scopes" ON "OauthRefreshToken"
  FOR EACH ROW EXECUTE FUNCTION "Oauth_token_has_consent"();
CREATE TRIGGER "OauthAccessToken_has_consent" BEFORE INSERT OR UPDATE OF "scopes" ON "OauthAccessToken"
  FOR EACH ROW EXECUTE FUNCTION "Oauth_token_has_consent"();

-- Two requests at once may have written two consents of one user and program. They are withdrawn and narrowed as
-- one. A code of a withdrawn consent is not good under the next one, either.
CREATE OR REPLACE FUNCTION "OauthConsent_withdrawn"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthConsent"'::regclass THEN
    RAISE EXCEPTION 'OauthConsent_withdrawn: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM "OauthConsent" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  DELETE FROM "OauthRefreshToken" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  DELETE FROM "OauthAccessToken" WHERE "userId" = OLD."userId" AND "clientId" = OLD."clientId";
  DELETE FROM "VerificationToken" WHERE CASE
    WHEN "identifier" LIKE 'hashed:authorization-code:%' AND "value" LIKE '{%'
    THEN "value"::jsonb ->> 'userId' = OLD."userId" AND "value"::jsonb #>> '{query,client_id}' = OLD."clientId"
    ELSE false END;
  RETURN NULL;
END $$;

CREATE FUNCTION "OauthConsent_narrowed"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
CREATE TRIGGER "OauthConsent_narrowed" AFTER UPDATE OF "scopes" ON "OauthConsent"
  FOR EACH ROW WHEN (NOT OLD."scopes" <@ NEW."scopes") EXECUTE FUNCTION "OauthConsent_narrowed"();

-- People consented to a program that answers at the addresses it had.
CREATE FUNCTION "OauthClient_moved"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."OauthClient"'::regclass THEN
    RAISE EXCEPTION 'OauthClient_moved: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM "OauthConsent" WHERE "clientId" = NEW."clientId";
  RETURN NULL;
END $$;
CREATE TRIGGER "OauthClient_moved" AFTER UPDATE OF "redirectUris" ON "OauthClient"
  FOR EACH ROW WHEN (NOT NEW."redirectUris" <@ OLD."redirectUris") EXECUTE FUNCTION "OauthClient_moved"();
