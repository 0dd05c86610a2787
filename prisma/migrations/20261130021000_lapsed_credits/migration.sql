-- What of a plan's credits has lapsed is asked for when their money goes back: by an index of the lapses alone.
--
-- The index is built while the ledger takes no writes. On a large ledger build it first, under the same name, with
-- CREATE INDEX CONCURRENTLY; the migration then finds it.

CREATE INDEX IF NOT EXISTS "CreditTransaction_lapses" ON "CreditTransaction" ("ownerId", "creditType", "id")
  WHERE "type" = 'expiry';
