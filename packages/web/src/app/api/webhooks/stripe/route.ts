import { billing } from '@/lib/tollgate'

export const POST = (req: Request) => billing.handleStripeWebhook(req)
