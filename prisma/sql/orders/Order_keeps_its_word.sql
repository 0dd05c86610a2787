-- A completed order stays completed and a cancelled order is never reopened, the terms of an order do not change, and
-- no more credits are taken back than the order gave.
CREATE OR REPLACE FUNCTION "Order_keeps_its_word"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Order"'::regclass THEN
    RAISE EXCEPTION 'Order_keeps_its_word: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF OLD."status" = 'completed' AND NEW."status" <> 'completed'
      OR OLD."status" = 'cancelled' AND NEW."status" = 'pending' THEN
      RAISE EXCEPTION 'order % is % and cannot become %', OLD."id", OLD."status", NEW."status"
        USING ERRCODE = 'check_violation', CONSTRAINT = 'Order_keeps_its_word';
    END IF;
    IF (OLD."ownerId", OLD."sku", OLD."provider", OLD."amount", OLD."currency", OLD."credits", OLD."plan", OLD."interval")
      IS DISTINCT FROM
      (NEW."ownerId", NEW."sku", NEW."provider", NEW."amount", NEW."currency", NEW."credits", NEW."plan", NEW."interval")
      OR OLD."status" = 'completed' AND OLD."paymentId" IS DISTINCT FROM NEW."paymentId" THEN
      RAISE EXCEPTION 'the terms of order % do not change', OLD."id"
        USING ERRCODE = 'check_violation', CONSTRAINT = 'Order_keeps_its_word';
    END IF;
  END IF;
  IF NEW."creditsDisputed" < 0 OR 0 > ANY (NEW."creditsRefunded")
    OR NEW."creditsDisputed" + (SELECT coalesce(sum(c), 0) FROM unnest(NEW."creditsRefunded") c) > NEW."credits"
    OR NEW."status" <> 'completed' AND (NEW."creditsDisputed" > 0 OR cardinality(NEW."creditsRefunded") > 0) THEN
    RAISE EXCEPTION 'order % gave % credits and cannot take back more', NEW."id", NEW."credits"
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Order_keeps_its_word';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER "Order_keeps_its_word" BEFORE INSERT OR UPDATE ON "Order"
  FOR EACH ROW EXECUTE FUNCTION "Order_keeps_its_word"();
