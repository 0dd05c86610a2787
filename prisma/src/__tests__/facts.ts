/** Facts of which processes hear. */

import { createInvalidations, type Invalidations } from '../invalidations.ts'

/** The table of facts. Like every table of the schema it shows nothing to a connection that is not the system's. */
export const FACTS = `
  CREATE TABLE "Fact" ("name" text, "transaction" bigint DEFAULT pg_current_xact_id()::text::bigint);
  ALTER TABLE "Fact" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  CREATE POLICY "as_system" ON "Fact" USING (current_setting('tollgate.system', true) = 'on')`

export const createFacts = (
  url: string,
  hear: (name: string) => void,
  onRead: (since: bigint) => void = () => {},
): Invalidations =>
  createInvalidations<{ name: string }>({
    url,
    channel: 'test facts',
    changes(since) {
      onRead(since)
      return `SELECT "name" FROM "Fact" WHERE "transaction" >= ${since}`
    },
    onChange: ({ name }) => hear(name),
  })
