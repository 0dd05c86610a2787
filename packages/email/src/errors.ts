import { type ErrorOptionsWithHeaders, TollgateError } from '@repo/core'

/** The reasons that a mail was not sent. */
export type EmailErrorCode =
  | 'idempotency_conflict'
  | 'invalid_options'
  | 'invalid_props'
  | 'invalid_recipient'
  | 'missing_api_key'
  | 'provider_rejected'
  | 'provider_unavailable'
  | 'unknown_template'

const STATUS: Record<EmailErrorCode, number> = {
  idempotency_conflict: 409,
  invalid_options: 500,
  invalid_props: 422,
  invalid_recipient: 422,
  missing_api_key: 500,
  provider_rejected: 502,
  provider_unavailable: 503,
  unknown_template: 404,
}

export interface EmailErrorOptions extends ErrorOptionsWithHeaders {
  /** The provider's own code of the error, e.g. Resend's `rate_limit_exceeded`. */
  providerCode?: string
}

/** The mail was not sent. Branch on `code`. */
export class EmailError extends TollgateError<EmailErrorCode> {
  override readonly name = 'EmailError'
  /** Whether sending the same mail later with the same idempotency key may succeed. */
  readonly retryable: boolean
  /** The provider's own code of the error; null if no provider was asked. */
  readonly providerCode: string | null

  constructor(code: EmailErrorCode, message: string, options: EmailErrorOptions = {}) {
    super(code, STATUS[code], message, options)
    this.retryable = code === 'provider_unavailable'
    this.providerCode = options.providerCode ?? null
  }
}
