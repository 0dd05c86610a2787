/**
 * Sending through Resend, with the retries and the time limit its SDK lacks.
 *
 * @see https://resend.com/docs/api-reference/errors
 * @module
 */

import type { Resend } from 'resend'
import { EmailError } from './errors.ts'
import type { Delivery, EmailMessage, Transport } from './transport.ts'

export interface ResendTransportOptions {
  /** Tries in all. Default 3. */
  attempts?: number
  /** For each try. Default 10,000. */
  timeoutMs?: number
  /** The first pause; it doubles, with jitter. `Retry-After` wins where sent. Default 500. */
  pauseMs?: number
}

/** A server that asks for more patience than this gets it from the caller's own retry. */
const MAX_PAUSE_MS = 10_000

/** Of a day or a month: the mail may go later, in a later job, and not after a pause. */
const QUOTA = /_quota_exceeded$/

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

/** The SDK reports a lost connection and an abort alike, as `application_error` without a status. */
function fromResend(error: { name: string; statusCode: number | null } | null): EmailError {
  const name = error?.name ?? 'application_error'
  const status = error?.statusCode ?? null
  const about = { providerCode: name }
  if (name === 'invalid_idempotent_request') {
    return new EmailError('idempotency_conflict', 'Another mail was sent under this key.', about)
  }
  const transient =
    status === null ||
    status >= 500 ||
    name === 'rate_limit_exceeded' ||
    QUOTA.test(name) ||
    name === 'concurrent_idempotent_requests'
  return transient
    ? new EmailError('provider_unavailable', `Resend did not take the mail (${name}).`, about)
    : new EmailError('provider_rejected', `Resend refused the mail (${name}).`, about)
}
