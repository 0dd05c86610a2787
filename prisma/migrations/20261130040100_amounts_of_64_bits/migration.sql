-- Amounts of money are 64 bit: a rupiah has two decimals at Stripe and twelve digits, and one invoice above 2^31
-- failed every later sync of its customer.
--
-- Each statement rewrites its table under an exclusive lock. Where a table is too large for that (as a measure, ten
-- million rows), add a bigint column beside each of these, keep it equal by a trigger, fill it in batches, and rename
-- both in one transaction before this migration is recorded as applied.

ALTER TABLE "Price" ALTER COLUMN "amount" SET DATA TYPE BIGINT;

ALTER TABLE "Invoice" ALTER COLUMN "total" SET DATA TYPE BIGINT,
ALTER COLUMN "amountDue" SET DATA TYPE BIGINT,
ALTER COLUMN "amountPaid" SET DATA TYPE BIGINT,
ALTER COLUMN "amountRefunded" SET DATA TYPE BIGINT;

ALTER TABLE "Payment" ALTER COLUMN "amount" SET DATA TYPE BIGINT,
ALTER COLUMN "amountRefunded" SET DATA TYPE BIGINT;

ALTER TABLE "Refund" ALTER COLUMN "amount" SET DATA TYPE BIGINT;

ALTER TABLE "Order" ALTER COLUMN "amount" SET DATA TYPE BIGINT,
ALTER COLUMN "amountPaid" SET DATA TYPE BIGINT,
ALTER COLUMN "amountRefunded" SET DATA TYPE BIGINT;
