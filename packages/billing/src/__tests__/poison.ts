/** A row that the database refuses to touch, to see that the other rows of a sweep go on. */

import type { Database } from '@repo/db'

let count = 0

/** Has every write to the rows of `table` fail whose `column` is `value`; what it returns ends that. */
export async function poison(
  db: Pick<Database, '$executeRawUnsafe'>,
  table: string,
  column: string,
  value: string,
): Promise<() => Promise<unknown>> {
  count += 1
  const name = `poison_${count}`
  await db.$executeRawUnsafe(`
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW."${column}"::text = '${value}' THEN RAISE EXCEPTION 'this row is poisoned'; END IF;
      RETURN NEW;
    END $$`)
  await db.$executeRawUnsafe(`
    CREATE TRIGGER ${name} BEFORE INSERT OR UPDATE ON "${table}"
    FOR EACH ROW EXECUTE FUNCTION ${name}()`)
  return () => db.$executeRawUnsafe(`DROP FUNCTION ${name} CASCADE`)
}
