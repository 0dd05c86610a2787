/**
 * The peer of `session.ts`: Better Auth with plugins, on the same database through the same Prisma client.
 *
 * @module
 */

import { finish, measured, settings } from './measure.ts'
import { createPeer } from './peer.ts'
import type { SessionSettings } from './settings.ts'

const given = settings<SessionSettings>()
const imported = await measured(async () => {
  const { createDb } = await import('@repo/db')
  return { createDb, auth: await createPeer() }
})
const { auth: createAuth, createDb } = imported.result
const first = await measured(async () => {
  const auth = createAuth(createDb(given.url), given)
  const headers = new Headers({ cookie: given.cookie })
  if (!given.isHandler) return auth.api.getSession({ headers })
  const req = new Request(`${given.origin}/api/auth/get-session`, { headers })
  return (await (await auth.handler(req)).json()) as { user: { id: string } }
})
if (first.result?.user.id !== given.userId) throw new Error('Better Auth found no such session.')
finish({ import: imported.part, first: first.part })
