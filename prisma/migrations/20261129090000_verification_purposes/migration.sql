-- A verification row names what it is for, so a value of one purpose is never redeemed for another. Rows from
-- before name nothing, live an hour at the most and are deleted: links that wait in mails are asked for again.
SELECT set_config('tollgate.system', 'on', true);
DELETE FROM "VerificationToken";

ALTER TABLE "VerificationToken" ADD CONSTRAINT "VerificationToken_identifier_check" CHECK (
  "identifier" ~ '^hashed:[a-z-]+:[A-Za-z0-9_-]{43}$'
);
