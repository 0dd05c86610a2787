-- Takes credits out of the open lots: from the lot `p_first` if it is given, then by priority, soonest expiry and age.
-- Returns the parts as `[[lot id, -amount], …]`. The caller must hold the account's lock.
CREATE OR REPLACE FUNCTION "Credit_burn"(
  p_owner text, p_credit_type text, p_amount bigint, p_first bigint DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  v_lot record;
  v_left bigint := p_amount;
  v_took bigint;
  v_lots jsonb := '[]';
BEGIN
  IF p_first IS NOT NULL AND v_left > 0 THEN
    SELECT g."id", g."remaining" INTO v_lot FROM "CreditGrant" g WHERE g."id" = p_first AND g."open";
    IF FOUND THEN
      v_took := least(v_lot."remaining", v_left);
      UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" - v_took, "open" = v_lot."remaining" > v_took
        WHERE g."id" = v_lot."id";
      v_left := v_left - v_took;
      v_lots := jsonb_build_array(jsonb_build_array(v_lot."id", -v_took));
    END IF;
  END IF;
  IF v_left > 0 THEN
    FOR v_lot IN
      SELECT g."id", g."remaining" FROM "CreditGrant" g
      WHERE g."ownerId" = p_owner AND g."creditType" = p_credit_type AND g."open"
      ORDER BY g."priority", g."expiresAt" NULLS LAST, g."id"
    LOOP
      v_took := least(v_lot."remaining", v_left);
      UPDATE "CreditGrant" g SET "remaining" = v_lot."remaining" - v_took, "open" = v_lot."remaining" > v_took
        WHERE g."id" = v_lot."id";
      v_left := v_left - v_took;
      v_lots := v_lots || jsonb_build_array(jsonb_build_array(v_lot."id", -v_took));
      EXIT WHEN v_left = 0;
    END LOOP;
  END IF;
  IF v_left <> 0 THEN
    RAISE EXCEPTION 'Credit_burn: the lots do not cover the balance.' USING ERRCODE = 'data_corrupted';
  END IF;
  RETURN v_lots;
END $$;
