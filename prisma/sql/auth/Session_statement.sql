-- Reads the claims of an access token. The rows of the session and its user are locked while they are read, and the
-- date is the database's, so a change is either in the token or denies the token. The member's role is read after
-- them, by a statement of its own, so that it belongs to the organization that the locked session names. The function
-- does not wait for a member's row that another transaction holds: that transaction may go on to lock the session or
-- the user, and each would wait for the other. In this case `isHeld` is true, and the caller reads the role after this
-- statement has ended.
CREATE OR REPLACE FUNCTION "Session_statement"(p_session text)
RETURNS TABLE ("id" text, "userId" text, "expiresAt" timestamptz, "aal" integer, "authenticatedAt" timestamptz,
  "organizationId" text, "isPending" boolean, "role" text, "seconds" integer, "issuedAt" integer,
  "organizationRole" text, "isHeld" boolean)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v record;
  v_role text;
  v_is_held boolean := false;
BEGIN
  SELECT s."id", s."userId", s."expiresAt", s."aal", s."createdAt", s."activeOrganizationId",
      u."twoFactorEnabled" AND s."aal" < 2 AS is_pending, u."role", t.seconds,
      greatest(t.seconds, (SELECT max(d."notBefore") FROM "AccessDenial" d
        WHERE d."subject" IN (s."id", s."userId"))) AS issued_at
    INTO v
    FROM "User" u JOIN "Session" s ON s."userId" = u."id",
      LATERAL (SELECT floor(extract(epoch FROM clock_timestamp()))::integer AS seconds) t
    WHERE s."id" = p_session AND s."expiresAt" > now() FOR SHARE OF u, s;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF v."activeOrganizationId" IS NOT NULL THEN
    SELECT m."role" INTO v_role FROM "Member" m
      WHERE m."organizationId" = v."activeOrganizationId" AND m."userId" = v."userId" FOR SHARE SKIP LOCKED;
    IF NOT FOUND THEN
      v_is_held := EXISTS (SELECT FROM "Member" m
        WHERE m."organizationId" = v."activeOrganizationId" AND m."userId" = v."userId");
    END IF;
  END IF;
  RETURN QUERY SELECT v."id", v."userId", v."expiresAt"::timestamptz, v."aal", v."createdAt"::timestamptz,
    v."activeOrganizationId", v.is_pending, v."role", v.seconds, v.issued_at, v_role, v_is_held;
END $$;
