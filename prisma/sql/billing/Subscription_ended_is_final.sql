-- An ended subscription never comes back, whatever arrives late. Only a person's command may restore a subscription that
-- was ended by mistake: for its own transaction it names the subscription in the setting `tollgate.restores`.
CREATE OR REPLACE FUNCTION "Subscription_ended_is_final"() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_RELID <> 'public."Subscription"'::regclass THEN
    RAISE EXCEPTION 'Subscription_ended_is_final: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF OLD."status" IN ('canceled', 'incomplete_expired') AND NEW."status" IS DISTINCT FROM OLD."status"
    AND coalesce(current_setting('tollgate.restores', true), '') <> OLD."id" THEN
    RAISE EXCEPTION 'subscription % has ended as % and cannot become %', OLD."id", OLD."status", NEW."status"
      USING ERRCODE = 'check_violation', CONSTRAINT = 'Subscription_ended_is_final';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER "Subscription_ended_is_final" BEFORE UPDATE ON "Subscription"
  FOR EACH ROW EXECUTE FUNCTION "Subscription_ended_is_final"();
