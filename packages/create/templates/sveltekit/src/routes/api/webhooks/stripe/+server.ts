import { billing } from '../../../../lib/tollgate'

export const POST = ({ request }: { request: Request }) => billing.handleStripeWebhook(request)
