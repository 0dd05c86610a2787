/** The signing secret of Cal.com's webhooks in the harness. */
export const CALCOM_SECRET = 'calcom-harness-secret'
