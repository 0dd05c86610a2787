export { handleCalComWebhook, handleStripeWebhook } from '../billing.ts'
export { MAX_BODY_BYTES } from './events.ts'
