-- The lot that is burnt first, by priority, soonest expiry, age, and whether any lot lapses before that. Its tables
-- are bound when it is made, because a search path of its own would keep it from becoming part of the query that
-- asks it.
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
