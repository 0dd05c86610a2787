-- A hold that was captured or released is never changed again.
CREATE OR REPLACE FUNCTION "CreditHold_settled_is_final"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."CreditHold"'::regclass THEN
    RAISE EXCEPTION 'CreditHold_settled_is_final: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RAISE EXCEPTION 'CreditHold_settled_is_final: hold % was settled.', OLD."id"
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER "CreditHold_settled_is_final" BEFORE UPDATE OR DELETE ON "CreditHold"
  FOR EACH ROW WHEN (OLD."status" <> 'open') EXECUTE FUNCTION "CreditHold_settled_is_final"();
