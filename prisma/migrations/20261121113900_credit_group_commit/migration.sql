-- Makes many changes of the ledger in one statement, so that callers of one process share a commit.

SELECT set_config('tollgate.system', 'on', true);

-- Each of p_changes, an array of objects that carry what "Credit_post" takes, as if it were alone. By owner
-- and credit type, so that two of these lock the accounts they share in one order. Whoever holds an account
-- for longer than a second makes it fail, so that the others are not kept waiting.
CREATE FUNCTION "Credit_post_all"(p_changes jsonb) RETURNS TABLE (
  number bigint, status text, id bigint, balance bigint, amount bigint, debt bigint, hold_id bigint,
  hold_status text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v record;
BEGIN
  PERFORM set_config('lock_timeout', '1s', true);
  FOR v IN
    SELECT * FROM jsonb_to_recordset(p_changes) AS c("number" bigint, "ownerId" text, "creditType" text,
      "type" text, "amount" bigint, "key" text, "description" text, "actor" text, "expiresAt" timestamptz,
      "priority" int, "refundOf" bigint, "owing" boolean, "purchaseKey" text, "holdSeconds" int,
      "threshold" bigint, "now" timestamptz, "series" text, "rollover" bigint)
    ORDER BY c."ownerId" COLLATE "C", c."creditType" COLLATE "C", c."number"
  LOOP
    RETURN QUERY SELECT v."number", p.* FROM "Credit_post"(v."ownerId", v."creditType", v."type", v."amount",
      v."key", v."description", v."actor", v."expiresAt", v."priority", v."refundOf", v."owing",
      v."purchaseKey", v."holdSeconds", v."threshold", v."now", v."series", v."rollover") p;
  END LOOP;
END $$;
