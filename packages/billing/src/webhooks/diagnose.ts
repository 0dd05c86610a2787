/**
 * Why do no webhooks come? The list a person would go through, walked: the address, HTTPS, the secret, how
 * the address answers, whether a limit stands before it, and what came lately.
 *
 * @module
 */

import { isTollgateError } from '@repo/core'
import type { BillingContext } from '../context.ts'
import { CALLBACK_PATH } from '../orders/settings.ts'
import { listWebhookEndpoints } from './endpoints.ts'

export interface DiagnosisCheck {
  check: 'url' | 'https' | 'secret' | 'answer' | 'rate_limit' | 'deliveries' | 'processing'
  isOk: boolean
  /** For people. */
  says: string
}

export interface Diagnosis {
  provider: string
  /** The address that was looked at. */
  url: string
  isOk: boolean
  checks: DiagnosisCheck[]
}

const TIMEOUT_MS = 5_000

/** As many at once as a provider sends after it was away. */
const BURST = 20

/** `url`: where the provider sends to. Default: where Stripe says so, else the callback's own address. */
export async function diagnoseWebhooks(ctx: BillingContext, url?: string): Promise<Diagnosis> {
  const provider = ctx.provider.name
  const endpoints = provider === 'stripe' ? await endpointsOf(ctx) : null
  const address = url ?? endpoints?.ours ?? new URL(pathOf(ctx), ctx.appUrl).href
  const parsed = URL.canParse(address) ? new URL(address) : null
  const checks: DiagnosisCheck[] = []
  const add = (check: DiagnosisCheck['check'], isOk: boolean, says: string) =>
    checks.push({ check, isOk, says })
  if (!parsed) add('url', false, 'It is no address.')
  else if (endpoints && !endpoints.urls.includes(parsed.href)) {
    add('url', false, endpoints.failed ?? 'Stripe has no enabled endpoint with this address.')
  } else {
    add(
      'url',
      true,
      endpoints ? 'Stripe sends to it.' : `Whether ${provider} sends to it is not told by its API.`,
    )
  }
  if (parsed) {
    const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(parsed.hostname)
    const isSafe = parsed.protocol === 'https:' || isLocal
    add('https', isSafe, isSafe ? `${parsed.protocol}//` : 'Providers send to https:// only.')
  }
  const secret = secretProblem(ctx)
  add(
    'secret',
    secret === null,
    secret ?? 'A signing secret is set, and refuses a made up signature.',
  )
  if (parsed) {
    const answers = await Promise.all(Array.from({ length: BURST }, () => probe(parsed)))
    const [first] = answers
    const isMounted = answers.some(({ code }) => code === 'missing_signature')
    add('answer', isMounted, isMounted ? 'It asks for a signature, as it should.' : said(first))
    const limited = answers.filter(({ status }) => status === 429).length
    const says =
      limited === 0
        ? `${BURST} at once were taken.`
        : `${limited} of ${BURST} at once were refused: deliveries are not to be limited.`
    add('rate_limit', limited === 0, says)
  }
  checks.push(...(await lately(ctx, provider)))
  return { provider, url: address, isOk: checks.every(({ isOk }) => isOk), checks }
}

const pathOf = ({ orders }: BillingContext): string => orders.callbackPath ?? CALLBACK_PATH

interface Endpoints {
  /** The enabled ones' addresses. */
  urls: string[]
  /** The one on the host. */
  ours: string | undefined
  failed: string | null
}

async function endpointsOf(ctx: BillingContext): Promise<Endpoints> {
  try {
    const all = await listWebhookEndpoints(ctx)
    const urls = all.flatMap(({ url, status }) =>
      status === 'enabled' && URL.canParse(url) ? new URL(url).href : [],
    )
    const ours = urls.find((url) => new URL(url).host === ctx.appUrl.host)
    return { urls, ours, failed: null }
  } catch (error) {
    const code = isTollgateError(error) ? error.code : 'internal_error'
    return { urls: [], ours: undefined, failed: `Stripe could not be asked (${code}).` }
  }
}

/** Null: there is a secret. */
function secretProblem(ctx: BillingContext): string | null {
  const headers = new Headers({
    'stripe-signature': `t=${Math.floor(Date.now() / 1000)},v1=${'0'.repeat(64)}`,
    'creem-signature': '0'.repeat(64),
    'tollgate-signature': `t=1,v1=${'0'.repeat(64)}`,
  })
  try {
    ctx.provider.parseWebhook(headers, '{}')
    return 'It takes any signature.'
  } catch (error) {
    if (isTollgateError(error, 'invalid_signature')) return null
    return error instanceof Error ? error.message : 'It cannot be read.'
  }
}

interface Answer {
  /** Null: none came. */
  status: number | null
  code: string | null
}

/** An unsigned delivery, which must be refused for that and for nothing else. */
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
  if (status === null) return 'It cannot be reached from here.'
  if (status >= 300 && status < 400) return `It redirects (${status}), and providers do not follow.`
  if (status === 404) return 'There is nothing at this address (404): is the route mounted?'
  if (status === 401 || status === 403)
    return `It asks for a sign-in (${status}): exempt the route.`
  if (code === 'invalid_environment' || status >= 500) return `It fails (${status}): see its log.`
  return `It answers ${status} to a delivery without a signature, and should answer 400.`
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
  const last = newest === null ? 'None ever came' : `The last came ${newest.toISOString()}`
  const missed = pulled === 0 ? '' : `, ${pulled} had to be fetched because they never came`
  return [
    {
      check: 'deliveries',
      isOk: newest !== null && pulled === 0,
      says: `${last}; ${delivered} in 24 hours${missed}.`,
    },
    {
      check: 'processing',
      isOk: dead === 0 && waiting === 0,
      says:
        dead + waiting === 0
          ? 'All that came is dealt with.'
          : `${dead} are dead, and ${waiting} wait although they are due: does a worker run?`,
    },
  ]
}
