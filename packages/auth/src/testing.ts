/**
 * Auth for tests, with captured mails and a browser's part of signing up and in. The database also needs the
 * tables of the queue (`migrateJobs`). `settled` runs the queued jobs.
 *
 * @module
 */

import { createLogger, type JobDefinition, type Logger } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import type { Database } from '@repo/db'
import { type CapturedOutbox, createOutbox } from '@repo/email/testing'
import type { BetterAuthPlugin } from 'better-auth'
import type { UserFields, UserFieldValues } from './account/user-fields.ts'
import { createAuth } from './auth.ts'
import type { Auth, AuthApi, AuthUser } from './instance.ts'
import type { AuthOptions } from './options.ts'
import type { OrganizationRole, Permission } from './permissions.ts'
import { TEST_ROUNDS } from './sign-in/password.ts'

export { signAccessToken } from './session/access-token.ts'
export { ACCESS_COOKIE } from './session/cookies.ts'

/** The lowest cost that bcrypt allows. A test about hashes sets `bcryptRounds` itself. */
const FAST = { [TEST_ROUNDS]: 4 }

/**
 * The origin of tests. It has TLS like a public host, because cookies have other names on http://localhost.
 */
export const TEST_ORIGIN = 'https://localhost:3000'

/** An auth instance for tests. */
export interface TestAuth<User extends AuthUser = AuthUser, Api extends AuthApi = AuthApi>
  extends Auth<Permission, OrganizationRole, User, Api> {
  /** The captured mails. */
  outbox: CapturedOutbox
  /** Makes a request to a path of the host. */
  request(path: string, options?: TestRequest): Request
  /**
   * Posts JSON to one of Better Auth's endpoints. A confirmation without a `cookie` comes from the browser of
   * the latest sign-up, unless another link was asked for since.
   */
  post(path: string, body: unknown, options?: TestRequest): Promise<Response>
  /** Signs up, confirms the address and signs in. Returns the cookies. @param more further fields of the sign-up */
  signIn(email?: string, more?: object): Promise<{ cookie: string; email: string; userId: string }>
}

/** The parts of a test's request. The default method is GET. */
export interface TestRequest {
  /** Default `GET`. */
  method?: string
  /** The `Cookie` header. Default: none. */
  cookie?: string
  /** Further headers. Default: none. */
  headers?: Record<string, string>
  /** Default: none. */
  body?: string
}

/** The password that `signIn` uses. */
export const TEST_PASSWORD = 'correct horse battery'

/** The options of `createTestAuth`. */
export interface TestAuthOptions<
  Fields extends UserFields = UserFields,
  Plugins extends readonly BetterAuthPlugin[] = readonly BetterAuthPlugin[],
> extends Partial<Omit<AuthOptions<Permission, OrganizationRole, Fields>, 'plugins'>> {
  /** Better Auth plugins of the host's own. Default: none. */
  plugins?: Plugins
  /** The test's own database. */
  db: Database
}

/** Makes an auth instance for tests. Rate limits are off by default. */
export function createTestAuth<
  Fields extends UserFields = UserFields,
  const Plugins extends readonly BetterAuthPlugin[] = [],
>(
  options: TestAuthOptions<Fields, Plugins>,
): TestAuth<AuthUser & UserFieldValues<Fields>, AuthApi<Plugins>> {
  const outbox = createOutbox()
  const logger = options.logger ?? createTestLogger()
  const auth = createAuth<Permission, OrganizationRole, Fields, Plugins>({
    baseURL: TEST_ORIGIN,
    secret: 'a-secret-for-tests-of-32-characters',
    sender: outbox.sender,
    logger,
    rateLimit: false,
    ...FAST,
    ...options,
  })
  let count = 0

  const request: TestAuth['request'] = (path, { method, cookie, headers, body } = {}) =>
    new Request(`${auth.baseURL}${path}`, {
      method: method ?? 'GET',
      headers: { ...(cookie ? { cookie } : {}), ...headers },
      ...(body === undefined ? {} : { body }),
    })
  let signUp = ''
  const post: TestAuth['post'] = async (path, body, { headers, ...rest } = {}) => {
    const answer = await auth.handler(
      request(`/api/auth${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', origin: auth.baseURL, ...headers },
        ...(path === '/confirm-email' && signUp ? { cookie: signUp } : {}),
        ...rest,
      }),
    )
    if (path === '/sign-up/email') signUp = cookiesOf(answer)
    if (path === '/send-verification-email' && !rest.cookie) signUp = ''
    return answer
  }
  const settled = async () => {
    await auth.settled()
    let waiting = await queuedIn(options.db, auth.jobs)
    for (const job of auth.jobs) {
      if (!waiting.has(job.name)) continue
      await workOff(options.db, job, logger)
      waiting = await queuedIn(options.db, auth.jobs)
    }
  }
  return {
    ...auth,
    outbox,
    request,
    post,
    settled,
    async signIn(email = `user-${++count}@example.com`, more = {}) {
      await post('/sign-up/email', { name: 'Ada', email, password: TEST_PASSWORD, ...more })
      await settled()
      await post('/confirm-email', { token: tokenOf(outbox, 'WelcomeEmail') })
      const answer = await post('/sign-in/email', { email, password: TEST_PASSWORD })
      const cookie = cookiesOf(answer)
      const session = await auth.requireAuth(request('/', { cookie }))
      return { cookie, email, userId: session.userId }
    },
  }
}

/** The names of the jobs that are queued. */
async function queuedIn(
  db: Database,
  jobs: readonly JobDefinition<object>[],
): Promise<Set<string>> {
  const names = jobs.map(({ name }) => name)
  const queued = await db.$queryRaw<{ name: string }[]>`
    SELECT DISTINCT task_identifier AS "name" FROM graphile_worker.jobs
    WHERE task_identifier = ANY(${names})`
  return new Set(queued.map(({ name }) => name))
}

/** Runs each queued entry of a job once, as a worker would. */
async function workOff(db: Database, job: JobDefinition<object>, sink: Logger): Promise<void> {
  const logger = createLogger(sink)
  const { signal } = new AbortController()
  const queued = await db.$queryRaw<{ id: string; payload: unknown }[]>`
    SELECT job.id::text, job.payload FROM graphile_worker.complete_jobs(ARRAY(
      SELECT id FROM graphile_worker.jobs WHERE task_identifier = ${job.name})) job
    ORDER BY job.id`
  for (const { id, payload } of queued) {
    await Promise.resolve(job.run(job.parse(payload), { id, attempt: 1, signal })).catch((error) =>
      logger.error({ job: job.name, id, error }, 'job failed'),
    )
  }
}

/** The token in the newest mail of `template`. */
export function tokenOf(outbox: CapturedOutbox, template: string): string {
  const token = /[?&]token=([^\s&]+)/.exec(outbox.last(template).text)?.[1]
  if (!token) throw new Error(`The newest ${template} has no token.`)
  return decodeURIComponent(token)
}

/** The `Cookie` header that a browser would send after this answer. */
export function cookiesOf(answer: Response): string {
  return answer.headers
    .getSetCookie()
    .filter((line) => !/max-age=0/i.test(line))
    .map((line) => line.slice(0, line.indexOf(';')))
    .join('; ')
}
