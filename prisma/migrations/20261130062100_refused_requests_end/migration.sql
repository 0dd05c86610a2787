-- Refused requests are deleted once their keys can no longer matter, and are found by their age.
--
-- An index is built while its table takes no writes. On a large table build it first, under the same name, with
-- CREATE INDEX CONCURRENTLY; the migration then finds it.

CREATE INDEX IF NOT EXISTS "RefusedRequest_refusedAt_idx" ON "RefusedRequest"("refusedAt");
