-- A claim takes the event of a customer that is due first. Many events are due at one moment after a replay, so the
-- event's id decides between them, and the index has that order.
DROP INDEX "WebhookEvent_due";
CREATE INDEX "WebhookEvent_due" ON "WebhookEvent" ("nextAttemptAt", "eventId") WHERE "status" = 'pending';
