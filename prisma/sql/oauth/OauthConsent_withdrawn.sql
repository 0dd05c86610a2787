-- Deletes the tokens and authorization codes of a withdrawn consent, so that a code is not valid under the next consent,
-- either. Two concurrent requests may have written two consents of one user and program. They count as one, so both
-- are deleted.
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

CREATE OR REPLACE TRIGGER "OauthConsent_withdrawn" AFTER DELETE ON "OauthConsent"
  FOR EACH ROW EXECUTE FUNCTION "OauthConsent_withdrawn"();
