/**
 * Sends mails through Resend, with the retries and the timeout that its SDK lacks.
 *
 * @see https://resend.com/docs/api-reference/errors
 * @module
 */

import type { Resend } from 'resend'
import { EmailError } from './errors.ts'
import type { Delivery, EmailMessage, Transport } from './transport.ts'

/** The options of `resendTransport`. */
export interface ResendTransportOptions {
  /** The number of attempts. Default 3. */
  attempts?: number
  /** The time limit of each attempt. Default 10,000. */
  timeoutMs?: number
  /**
   * The first pause between attempts; it doubles each time, with jitter. A `Retry-After` header takes
   * precedence. Default 500.
   */
  pauseMs?: number
}

/** If the server asks for a longer pause, the error goes to the caller, who may retry later. */
const MAX_PAUSE_MS = 10_000

/** A daily or monthly quota: the mail may be sent by a later job, but not after a pause. */
const QUOTA = /_quota_exceeded$/

/** Creates a transport that sends mails through Resend. */
export function resendTransport(client: Resend, options: ResendTransportOptions = {}): Transport {
  const { attempts = 3, timeoutMs = 10_000, pauseMs = 500 } = options
  return {
    async send(message, signal) {
      for (let attempt = 1; ; attempt += 1) {
        const result = await tryOnce(client, message, timeoutMs, signal)
        if ('id' in result) return result
        const { error, retryAfterMs } = result
        const isSpent =
          attempt >= attempts || signal?.aborted || QUOTA.test(`${error.providerCode}`)
        if (!error.retryable || isSpent) throw error
        const backoff = pauseMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
        await new Promise((done) =>
          setTimeout(done, Math.min(retryAfterMs ?? backoff, MAX_PAUSE_MS)),
        )
      }
    },
  }
}

type Try = Delivery | { error: EmailError; retryAfterMs: number | undefined }

async function tryOnce(
  client: Resend,
  message: EmailMessage,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Try> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const { template, replyTo, idempotencyKey, ...rest } = message
  const { data, error, headers } = await client.emails.send(
    {
      ...rest,
      ...(replyTo ? { replyTo } : {}),
      tags: [{ name: 'template', value: template }],
    },
    {
      ...(idempotencyKey ? { idempotencyKey } : {}),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    },
  )
  if (data) return { id: data.id, provider: 'resend', deduplicated: null }
  const seconds = Number(headers?.['retry-after'])
  return {
    error: fromResend(error),
    retryAfterMs: Number.isFinite(seconds) && headers?.['retry-after'] ? seconds * 1000 : undefined,
  }
}

/** The SDK reports a lost connection and an abort in the same way: `application_error` without a status. */
function fromResend(error: { name: string; statusCode: number | null } | null): EmailError {
  const name = error?.name ?? 'application_error'
  const status = error?.statusCode ?? null
  const about = { providerCode: name }
  if (name === 'invalid_idempotent_request') {
    return new EmailError(
      'idempotency_conflict',
      'Another mail was sent with this idempotency key. Use a new key for a new mail.',
      about,
    )
  }
  const transient =
    status === null ||
    status >= 500 ||
    name === 'rate_limit_exceeded' ||
    QUOTA.test(name) ||
    name === 'concurrent_idempotent_requests'
  return transient
    ? new EmailError(
        'provider_unavailable',
        `Resend could not take the mail (${name}). Send it again later with the same key.`,
        about,
      )
    : new EmailError('provider_rejected', `Resend refused the mail (${name}).`, about)
}
