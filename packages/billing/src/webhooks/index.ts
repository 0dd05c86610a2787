export { handleCalComWebhook, handleStripeWebhook, retryPendingEvents } from '../billing.ts'
export { MAX_BODY_BYTES } from './events.ts'
export type { RetryResult, WaitingEvent } from './retry.ts'
