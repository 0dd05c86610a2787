-- A subscription that is past due keeps its plan's features for some days and not for ever, so its row says since when.

SELECT set_config('tollgate.system', 'on', true);

ALTER TABLE "Subscription" ADD COLUMN "pastDueSince" TIMESTAMPTZ(3);

-- Of those that are past due already it is not known: they have the whole time from now on.
UPDATE "Subscription" SET "pastDueSince" = clock_timestamp() WHERE "status" IN ('past_due', 'unpaid');
