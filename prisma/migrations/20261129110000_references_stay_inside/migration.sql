-- PostgreSQL checks a foreign key past the policies, so an organization could refer to a row it does not see.

-- Behind a trigger for each such key; its arguments are the other table and, in pairs, a column here and the one
-- there that it names. It looks with the rights and settings of the query, so the policies of the other table
-- decide. A key that a change leaves as it was is not looked at, and null refers to nothing.
CREATE FUNCTION "Tenancy_refers_inside"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  written CONSTANT jsonb := to_jsonb(NEW);
  is_new boolean := TG_OP = 'INSERT';
  conditions text[] := '{}';
  is_inside boolean;
BEGIN
  FOR n IN 1 .. TG_NARGS - 2 BY 2 LOOP
    IF written ->> TG_ARGV[n] IS NULL THEN
      RETURN NEW;
    END IF;
    is_new := is_new OR written -> TG_ARGV[n] IS DISTINCT FROM to_jsonb(OLD) -> TG_ARGV[n];
    conditions := conditions || format('%I = ($1).%I', TG_ARGV[n + 1], TG_ARGV[n]);
  END LOOP;
  IF NOT is_new THEN
    RETURN NEW;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %s)', TG_ARGV[0], array_to_string(conditions, ' AND '))
    INTO is_inside USING NEW;
  IF NOT is_inside THEN
    RAISE EXCEPTION 'new row violates row-level security of table "%": it refers to a row of "%" that the organization does not have',
      TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER "Invitation_user_is_inside" BEFORE INSERT OR UPDATE OF "inviterId" ON "Invitation" FOR EACH ROW WHEN (current_setting('tollgate.organization', true) <> '') EXECUTE FUNCTION "Tenancy_refers_inside"('User', 'inviterId', 'id');
CREATE TRIGGER "Member_user_is_inside" BEFORE INSERT OR UPDATE OF "userId" ON "Member" FOR EACH ROW WHEN (current_setting('tollgate.organization', true) <> '') EXECUTE FUNCTION "Tenancy_refers_inside"('User', 'userId', 'id');
