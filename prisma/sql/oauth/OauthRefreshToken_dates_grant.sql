-- Dates a refresh token by its grant: a token that replaces another token keeps the date of their common grant.
CREATE OR REPLACE FUNCTION "OauthRefreshToken_dates_grant"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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

CREATE OR REPLACE TRIGGER "OauthRefreshToken_dates_grant" BEFORE INSERT ON "OauthRefreshToken"
  FOR EACH ROW EXECUTE FUNCTION "OauthRefreshToken_dates_grant"();
