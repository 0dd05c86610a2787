/**
 * Requests to Creem's REST API, with a timeout, with retries where they can help, and with every failure as a
 * `BillingError`. The key is sent in a header and appears in no message.
 *
 * @see https://docs.creem.io/api-reference/error-codes
 * @see https://docs.creem.io/api-reference/rate-limits
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { BillingError } from '../../errors.ts'
import { type Raw, record, text } from '../json.ts'

/** The options of `createCreemClient`. */
export interface CreemOptions {
  /** Another server that speaks Creem's API. Default: Creem's test or live server, depending on the key. */
  apiBase?: string
  /** The timeout of one try. Default 20,000. */
  timeoutMs?: number
  /** How many retries follow a 429, a 5xx or no answer. Default 2. */
  retries?: number
}

/** A client of Creem's REST API. */
export interface CreemClient {
  /** Gets an object or a list. @throws `provider_unavailable` (503), `provider_rejected` (502) */
  get(path: string, query: Record<string, string>): Promise<Raw>
  /**
   * `key` is sent as `Idempotency-Key`. Creem documents that header for products only, so nothing else may rely on it.
   */
  post(path: string, body: object, key: string): Promise<Raw>
}

/** A test key works only at the test host, a live key only at the live host. */
const hostOf = (apiKey: string): string =>
  apiKey.startsWith('creem_test_') ? 'https://test-api.creem.io' : 'https://api.creem.io'

/** The longest wait between two tries. Where Creem asks for more, the caller gets an error with `Retry-After`. */
const MAX_WAIT_MS = 5000

/** The `cause` of the error that a refusal by Creem becomes. */
class CreemRefusal extends Error {
  override readonly name = 'CreemRefusal'
  readonly status: number

  constructor(status: number) {
    super(`Creem answered ${status}.`)
    this.status = status
  }
}

/** Whether a caught error means that Creem has no such object. */
export const isMissingAtCreem = (error: unknown): boolean =>
  error instanceof BillingError && (error.cause as Partial<CreemRefusal>)?.status === 404

/** A client with `apiKey`. Nothing is sent until one of its methods is called. */
export function createCreemClient(apiKey: string, options: CreemOptions = {}): CreemClient {
  const { timeoutMs = 20_000, retries = 2 } = options
  const base = (options.apiBase ?? hostOf(apiKey)).replace(/(?<!\/)\/+$/, '')

  async function attempt(url: URL, init: RequestInit): Promise<{ body: Raw } | Failure> {
    let response: Response
    let body: Raw | null
    try {
      response = await fetch(url, {
        ...init,
        // A redirect would send the key to another host.
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      })
      body = record(await response.json().catch(() => null))
    } catch (error) {
      return { why: reasonOf(error), waitMs: null, cause: error }
    }
    const { status } = response
    if (status === 429 || status >= 500) {
      return { why: String(status), waitMs: waitOf(response), cause: new CreemRefusal(status) }
    }
    if (response.ok && body) return { body }
    if (response.ok) return { why: 'no object', waitMs: null, cause: undefined }
    const trace = text(body?.trace_id)
    const about = [String(status), trace && `trace ${trace.slice(0, 64)}`]
      .filter(Boolean)
      .join(', ')
    throw new BillingError('provider_rejected', `Creem refused the request (${about}).`, {
      cause: new CreemRefusal(status),
    })
  }

  async function request(url: URL, init: RequestInit): Promise<Raw> {
    for (let tries = 0; ; tries += 1) {
      const answer = await attempt(url, init)
      if ('body' in answer) return answer.body
      const waitMs = answer.waitMs ?? 250 * 4 ** tries * (0.5 + Math.random() / 2)
      if (tries >= retries || waitMs > MAX_WAIT_MS) {
        const message = `Creem did not answer (${answer.why}). Try again.`
        throw new BillingError('provider_unavailable', message, {
          cause: answer.cause,
          headers: { 'retry-after': String(Math.max(5, Math.ceil((answer.waitMs ?? 0) / 1000))) },
        })
      }
      await sleep(waitMs)
    }
  }

  const headers = { 'x-api-key': apiKey, accept: 'application/json' }
  return {
    get(path, query) {
      const url = new URL(base + path)
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
      return request(url, { headers })
    },
    post: (path, body, key) =>
      request(new URL(base + path), {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(body),
      }),
  }
}

interface Failure {
  why: string
  /** The wait that Creem asked for; null where it asked for none. */
  waitMs: number | null
  cause: unknown
}

/** The wait in a `Retry-After` header, which holds seconds or a date; null without one. */
function waitOf(response: Response): number | null {
  const value = response.headers.get('retry-after')
  if (value === null) return null
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : null
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'TimeoutError') return 'timeout'
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name
}
