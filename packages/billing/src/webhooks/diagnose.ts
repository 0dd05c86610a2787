/**
 * Diagnoses why no webhooks arrive. Checks the endpoint's URL, HTTPS, the signing secret, the endpoint's
 * answer, rate limits before it, and the latest deliveries.
 *
 * @module
 */

import { isTollgateError, parseUrl } from '@repo/core'
import type { BillingContext } from '../context.ts'
import { CALLBACK_PATH } from '../orders/settings.ts'
import { listWebhookEndpoints } from './endpoints.ts'

/** The result of one check. */
export interface DiagnosisCheck {
  check: 'url' | 'https' | 'secret' | 'answer' | 'rate_limit' | 'deliveries' | 'processing'
  isOk: boolean
  /** The result as a sentence for people. */
  says: string
}

/** The result of `diagnoseWebhooks`. */
export interface Diagnosis {
  provider: string
  /** The URL that was checked. */
  url: string
  isOk: boolean
  checks: DiagnosisCheck[]
}

/** How long the endpoint may take to answer. */
const TIMEOUT_MS = 5_000

/** Requests sent at once, about as many as a provider sends after an outage. */
const BURST = 20

/** Runs all checks. The contract is in `functions/webhooks.ts`. */
export async function diagnoseWebhooks(ctx: BillingContext, url?: string): Promise<Diagnosis> {
  const provider = ctx.provider.name
  const endpoints = provider === 'stripe' ? await endpointsOf(ctx) : null
  const address = url ?? endpoints?.ours ?? new URL(pathOf(ctx), ctx.appUrl).href
  const parsed = parseUrl(address)
  const checks: DiagnosisCheck[] = []
  const add = (check: DiagnosisCheck['check'], isOk: boolean, says: string) =>
    checks.push({ check, isOk, says })
  if (!parsed) add('url', false, 'The address is not a valid URL.')
  else if (endpoints && !endpoints.urls.includes(parsed.href)) {
    add('url', false, endpoints.failed ?? 'Stripe has no enabled endpoint with this URL.')
  } else {
    add(
      'url',
      true,
      endpoints
        ? 'Stripe sends events to this URL.'
        : `The API of ${provider} does not say whether it sends events to this URL.`,
    )
  }
  if (parsed) {
    const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(parsed.hostname)
    const isSafe = parsed.protocol === 'https:' || isLocal
    add('https', isSafe, isSafe ? `${parsed.protocol}//` : 'Providers send only to https:// URLs.')
  }
  const secret = secretProblem(ctx)
  add(
    'secret',
    secret === null,
    secret ?? 'A signing secret is set, and a forged signature is refused.',
  )
  if (parsed) {
    const answers = await Promise.all(Array.from({ length: BURST }, () => probe(parsed)))
    const [first] = answers
    const isMounted = answers.some(({ code }) => code === 'missing_signature')
    add(
      'answer',
      isMounted,
      isMounted ? 'The endpoint asks for a signature, as it should.' : said(first),
    )
    const limited = answers.filter(({ status }) => status === 429).length
    const says =
      limited === 0
        ? `${BURST} requests at once were accepted.`
        : `${limited} of ${BURST} requests at once were refused with 429. Exempt the endpoint from rate limits.`
    add('rate_limit', limited === 0, says)
  }
  checks.push(...(await lately(ctx, provider)))
  return { provider, url: address, isOk: checks.every(({ isOk }) => isOk), checks }
}

const pathOf = ({ orders }: BillingContext): string => orders.callbackPath ?? CALLBACK_PATH

interface Endpoints {
  /** URLs of the enabled endpoints. */
  urls: string[]
  /** The URL of the endpoint on this host. */
  ours: string | undefined
  failed: string | null
}

async function endpointsOf(ctx: BillingContext): Promise<Endpoints> {
  try {
    const all = await listWebhookEndpoints(ctx)
    const urls = all.flatMap(({ url, status }) =>
      status === 'enabled' ? (parseUrl(url)?.href ?? []) : [],
    )
    const ours = urls.find((url) => new URL(url).host === ctx.appUrl.host)
    return { urls, ours, failed: null }
  } catch (error) {
    const code = isTollgateError(error) ? error.code : 'internal_error'
    return {
      urls: [],
      ours: undefined,
      failed: `Stripe's endpoints could not be listed (${code}).`,
    }
  }
}

/** What is wrong with the signing secret. Null: nothing. */
function secretProblem(ctx: BillingContext): string | null {
  try {
    ctx.provider.parseWebhook(ctx.provider.forgedHeaders(), '{}')
    return 'A forged signature is accepted. Set a signing secret.'
  } catch (error) {
    if (isTollgateError(error, 'invalid_signature')) return null
    return error instanceof Error ? error.message : 'The signing secret cannot be read.'
  }
}

interface Answer {
  /** Null: no answer arrived. */
  status: number | null
  code: string | null
}

/** Sends a request without a signature, which a working endpoint refuses for that reason. */
async function probe(url: URL): Promise<Answer> {
  try {
    const res = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const body = (await res.json().catch(() => null)) as { code?: unknown } | null
    return { status: res.status, code: typeof body?.code === 'string' ? body.code : null }
  } catch {
    return { status: null, code: null }
  }
}

function said(answer: Answer | undefined): string {
  const { status = null, code = null } = answer ?? {}
  if (status === null) return 'The endpoint cannot be reached from here.'
  if (status >= 300 && status < 400)
    return `The endpoint redirects (${status}), and providers do not follow redirects.`
  if (status === 404) return 'The endpoint does not exist (404). Check that its route is mounted.'
  if (status === 401 || status === 403)
    return `The endpoint asks for a sign-in (${status}). Exempt its route.`
  if (code === 'invalid_environment' || status >= 500)
    return `The endpoint fails (${status}). Look at the log of the server.`
  return `The endpoint answers ${status} to a request without a signature, and should answer 400.`
}

async function lately(ctx: BillingContext, provider: string): Promise<DiagnosisCheck[]> {
  const [came] = await ctx.db.$queryRaw<
    [{ newest: Date | null; delivered: number; pulled: number; dead: number; waiting: number }]
  >`
    SELECT (
        SELECT "receivedAt" FROM "WebhookEvent" WHERE "provider" = ${provider} AND "source" = 'delivery'
        ORDER BY "receivedAt" DESC LIMIT 1) AS "newest",
      count(*) FILTER (WHERE "source" = 'delivery')::int AS "delivered",
      count(*) FILTER (WHERE "source" = 'pull')::int AS "pulled",
      (SELECT count(*)::int FROM "WebhookEvent"
        WHERE "provider" = ${provider} AND "status" = 'dead') AS "dead",
      (SELECT count(*)::int FROM "WebhookEvent" WHERE "provider" = ${provider}
        AND "status" = 'pending' AND "nextAttemptAt" < now() - interval '5 minutes') AS "waiting"
    FROM "WebhookEvent" WHERE "provider" = ${provider} AND "receivedAt" > now() - interval '1 day'`
  const { newest, delivered, pulled, dead, waiting } = came
  const last =
    newest === null
      ? 'No event has ever arrived'
      : `The last event arrived at ${newest.toISOString()}`
  const missed = pulled === 0 ? '' : `, and ${pulled} had to be pulled because they never arrived`
  return [
    {
      check: 'deliveries',
      isOk: newest !== null && pulled === 0,
      says: `${last}; ${delivered} arrived in 24 hours${missed}.`,
    },
    {
      check: 'processing',
      isOk: dead === 0 && waiting === 0,
      says:
        dead + waiting === 0
          ? 'All events that arrived are processed.'
          : `${dead} events are dead, and ${waiting} have been due for over 5 minutes. Check that a worker runs.`,
    },
  ]
}
