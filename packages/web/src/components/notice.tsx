const NOTICES: Record<string, string> = {
  confirmed: 'Your address is confirmed. Sign in.',
  reset: 'Your password is changed. Sign in.',
  subscribed: 'Your plan is active.',
  drawn: 'Your picture is drawn.',
}

const ERRORS: Record<string, string> = {
  access_denied: 'You cancelled, so nobody was signed in.',
  email_not_verified: 'Confirm your address first: we sent you a link.',
  insufficient_credits: 'Not enough credits.',
  invalid_email_or_password:
    'The address or the password is wrong, or the address is not confirmed yet. If only the confirmation is missing, we have sent you another link.',
  invalid_token: 'This link has been used, or it is too old.',
  password_too_short: 'The password is too short.',
  too_many_requests: 'That was too often. Try again in a few minutes.',
}

export type Search = Promise<Record<string, string | string[] | undefined>>

/** What the last form came to: `?done=` or `?error=`. */
export async function Notice({ search }: { search: Search }) {
  const { done, error } = await search
  const notice = NOTICES[String(done)]
  if (notice) return <p role="status">{notice}</p>
  if (typeof error !== 'string') return null
  return <p role="alert">{ERRORS[error] ?? 'That did not work. Try again.'}</p>
}
