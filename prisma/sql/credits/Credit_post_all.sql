-- Makes all changes of p_accounts, each with the result that it would have alone. p_accounts is an array of accounts;
-- each lists its changes, with the arguments of "Credit_post". Accounts are taken in the order of owner and credit
-- type, so that two concurrent calls lock the accounts that they share in the same order. The call fails if another
-- transaction holds an account for longer than a second, so that the changes of other accounts need not wait for it.
CREATE OR REPLACE FUNCTION "Credit_post_all"(p_accounts jsonb) RETURNS TABLE (
  number bigint, status text, id bigint, balance bigint, amount bigint, debt bigint, hold_id bigint,
  hold_status text
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_of record;
  v record;
BEGIN
  PERFORM set_config('lock_timeout', '1s', true);
  FOR v_of IN
    SELECT * FROM jsonb_to_recordset(p_accounts) AS c("ownerId" text, "creditType" text,
      "threshold" bigint, "changes" jsonb)
    ORDER BY c."ownerId" COLLATE "C", c."creditType" COLLATE "C"
  LOOP
    IF jsonb_array_length(v_of."changes") > 1 THEN
      RETURN QUERY SELECT r."number", 'posted', r."id", r."balance", r."amount", 0::bigint, NULL::bigint, NULL
        FROM "Credit_deduct_run"(v_of."ownerId", v_of."creditType", v_of."threshold", v_of."changes") r;
      CONTINUE WHEN FOUND;
    END IF;
    FOR v IN
      SELECT * FROM jsonb_to_recordset(v_of."changes") AS c("number" bigint, "type" text, "amount" bigint,
        "key" text, "description" text, "actor" text, "expiresAt" timestamptz, "priority" int,
        "refundOf" bigint, "owing" boolean, "purchaseKey" text, "holdSeconds" int, "now" timestamptz,
        "series" text, "rollover" bigint)
      ORDER BY c."number"
    LOOP
      RETURN QUERY SELECT v."number", p.* FROM "Credit_post"(v_of."ownerId", v_of."creditType", v."type",
        v."amount", v."key", v."description", v."actor", v."expiresAt", v."priority", v."refundOf", v."owing",
        v."purchaseKey", v."holdSeconds", v_of."threshold", v."now", v."series", v."rollover") p;
    END LOOP;
  END LOOP;
END $$;
