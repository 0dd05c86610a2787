-- Has the log say which deductions are holds, so that a hold that was deleted or moved is missed.

SELECT set_config('tollgate.system', 'on', true);

ALTER TABLE "CreditTransaction" ADD COLUMN "held" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "CreditTransaction" DISABLE TRIGGER "CreditTransaction_append_only";
UPDATE "CreditTransaction" t SET "held" = true FROM "CreditHold" h WHERE h."transactionId" = t."id";
ALTER TABLE "CreditTransaction" ENABLE TRIGGER "CreditTransaction_append_only";

DO $migration$
DECLARE
  v_source constant text := pg_get_functiondef('"Credit_post"'::regproc);
  v_changed constant text := replace(replace(v_source, $from$
        "idempotencyKey", "refundOf", "lots", "expiresAt", "priority", "description", "actor", "createdAt")
$from$, $to$
        "idempotencyKey", "refundOf", "lots", "expiresAt", "priority", "description", "actor", "createdAt", "held")
$to$), $from$
        p_key, v_refund_of, v_lots, p_expires_at, p_priority, p_description, p_actor, v_now)
$from$, $to$
        p_key, v_refund_of, v_lots, p_expires_at, p_priority, p_description, p_actor, v_now,
        p_hold_seconds IS NOT NULL)
$to$);
BEGIN
  IF length(v_changed) <> length(v_source) + 8 + 36 THEN
    RAISE EXCEPTION 'Credit_post is not as the migration before left it.';
  END IF;
  EXECUTE v_changed;
END $migration$;
