-- Refuses a row that refers to a row outside its organization. The arguments of its trigger are the other table and
-- then pairs of a column of this table and the column of the other table that it refers to. The look-up runs with the
-- rights and settings of the query, so the policies of the other table decide. A key that an update leaves unchanged
-- is not checked, and null refers to nothing. `db:diff` writes its triggers from the schema.
CREATE OR REPLACE FUNCTION "Tenancy_refers_inside"() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
  written CONSTANT jsonb := to_jsonb(NEW);
  is_new boolean := TG_OP = 'INSERT';
  conditions text[] := '{}';
  is_inside boolean;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = TG_RELID
    AND k.contype = 'f' AND k.confrelid = format('public.%I', TG_ARGV[0])::regclass) THEN
    RAISE EXCEPTION 'Tenancy_refers_inside: it works for its own table alone, and not for %.', TG_RELID::regclass
      USING ERRCODE = 'insufficient_privilege';
  END IF;
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
