/**
 * Checks that the return from an OAuth provider is refused where its state is wrong (RFC 6749, 10.12): another state than
 * that of the browser, and a state without the browser's cookie.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { type Check, failed, passed, skipped } from '@repo/core/checks'
import type { Auth } from '../instance.ts'
import type { AnyAuthOptions } from '../options.ts'
import { cookiesAt } from '../session/cookies.ts'
import type { StandIn } from './stand-in.ts'

/** The instance whose providers are replaced by a stand-in. */
export interface StateSubject {
  auth: Pick<Auth, 'handler'>
  standIn: Pick<StandIn, 'tokens'>
  baseURL: string
  /** A sign-in cannot be begun, because that writes a row. */
  isReadOnly: boolean
}

/** The check of all providers that `options` name. `open` null: the database of the host is not known. */
export function stateChecks(
  { github, google, microsoft, oidc }: AnyAuthOptions,
  open: (() => Promise<StateSubject>) | null,
): Check[] {
  const providers = [
    ...Object.entries({ github, google, microsoft }).flatMap(([id, keys]) => (keys ? [id] : [])),
    ...Object.keys(oidc ?? {}),
  ]
  return [
    {
      id: 'auth.state',
      async run() {
        if (providers.length === 0) return skipped('No sign-in with a provider is set up.')
        if (open === null)
          return skipped('The client was not made by createDb, so its database is not known.')
        const subject = await open()
        const accepted: string[] = []
        for (const id of providers) if (await isAccepted(subject, id)) accepted.push(id)
        const names = providers.join(', ')
        if (accepted.length > 0)
          return failed(
            `The return from ${accepted.join(', ')} was accepted with a wrong state.`,
            'Let no plugin and no route of yours answer /api/auth/callback.',
          )
        return passed(
          subject.isReadOnly
            ? `The return from ${names} with an unknown state was refused.`
            : `The return from ${names} was refused with a wrong state, and with a state that another browser began.`,
        )
      },
    },
  ]
}

async function isAccepted(
  { auth, standIn, baseURL, isReadOnly }: StateSubject,
  provider: string,
): Promise<boolean> {
  const before = standIn.tokens()
  const { session } = cookiesAt(baseURL)
  const signsIn = async (state: string, cookie: string) => {
    const query = new URLSearchParams({ code: randomBytes(12).toString('hex'), state })
    const answer = await auth.handler(
      new Request(`${baseURL}/api/auth/callback/${provider}?${query}`, { headers: { cookie } }),
    )
    return answer.headers
      .getSetCookie()
      .some((line) => line.startsWith(`${session}=`) && !/^[^=]*=;|max-age=0/i.test(line))
  }
  const wrong = randomBytes(24).toString('base64url')
  if (isReadOnly) return (await signsIn(wrong, '')) || standIn.tokens() > before
  const began = await auth.handler(
    new Request(`${baseURL}/api/auth/sign-in/social`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: baseURL },
      body: JSON.stringify({ provider, callbackURL: '/' }),
    }),
  )
  const { url } = (await began.json().catch(() => ({}))) as { url?: string }
  const state = url && new URL(url).searchParams.get('state')
  if (!state) throw new Error(`A sign-in with ${provider} could not be begun: ${began.status}.`)
  const cookie = began.headers
    .getSetCookie()
    .map((line) => line.slice(0, line.indexOf(';')))
    .join('; ')
  return (await signsIn(wrong, cookie)) || (await signsIn(state, '')) || standIn.tokens() > before
}
