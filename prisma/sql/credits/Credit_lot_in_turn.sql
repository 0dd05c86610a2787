-- The lot that is spent first, by priority, soonest expiry and age, and whether any lot of the account has lapsed. The
-- function's tables are bound when it is created (BEGIN ATOMIC): with a search path of its own, PostgreSQL would not
-- inline it into the calling query.
CREATE OR REPLACE FUNCTION "Credit_lot_in_turn"(p_owner text, p_credit_type text, p_now timestamptz)
RETURNS TABLE ("id" bigint, "remaining" bigint, "lapses" boolean) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT g."id", g."remaining", EXISTS (
      SELECT FROM "CreditGrant" l
      WHERE l."ownerId" = p_owner AND l."creditType" = p_credit_type AND l."open" AND l."expiresAt" <= p_now)
    FROM "CreditGrant" g
    WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open"
    ORDER BY g."priority", g."expiresAt" NULLS LAST, g."id" LIMIT 1;
END;
