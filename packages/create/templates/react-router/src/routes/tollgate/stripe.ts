import { billing } from '../../lib/tollgate.ts'

export const action = ({ request }: { request: Request }) => billing.handleStripeWebhook(request)
