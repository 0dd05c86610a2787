-- The nightly comparison finds the customers that may have changed without reading all invoices and payments.
--
-- An index is built while its table takes no writes. On a large table build it first, under the same name, with
-- CREATE INDEX CONCURRENTLY; the migration then finds it.

CREATE INDEX IF NOT EXISTS "Invoice_unfinished" ON "Invoice" ("customerId") WHERE "status" IN ('draft', 'open');
CREATE INDEX IF NOT EXISTS "Payment_unfinished" ON "Payment" ("customerId") WHERE "status" NOT IN ('succeeded', 'canceled');
