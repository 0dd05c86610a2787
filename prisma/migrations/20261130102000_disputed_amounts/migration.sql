-- Why: a dispute may hold a part of a payment, and a payment may have paid several invoices, so the disputed amount of
-- an invoice cannot be read from its status.
--
-- Adding the column is immediate. The update reads "Invoice" once and changes only invoices with a dispute; the next
-- sync of each customer corrects an amount of which a dispute holds a part.

SELECT set_config('tollgate.system', 'on', true);

ALTER TABLE "Invoice" ADD COLUMN "amountDisputed" BIGINT NOT NULL DEFAULT 0;

UPDATE "Invoice" SET "amountDisputed" = greatest(0, "amountPaid" - "amountRefunded")
WHERE "disputeStatus" IS NOT NULL AND "disputeStatus" NOT IN ('won', 'prevented') AND "disputeStatus" NOT LIKE 'warning\_%';
