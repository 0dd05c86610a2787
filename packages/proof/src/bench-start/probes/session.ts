/**
 * Imports `@repo/auth` and asks for the session of a request, with a guard or through the handler.
 *
 * @module
 */

import { finish, measured, settings } from './measure.ts'
import type { SessionSettings } from './settings.ts'

const given = settings<SessionSettings>()
const imported = await measured(async () => {
  const { createDb } = await import('@repo/db')
  const { createAuth } = await import('@repo/auth')
  return { createAuth, createDb }
})
const { createAuth, createDb } = imported.result
const nothing = () => {}
const first = await measured(async () => {
  const auth = createAuth({
    db: createDb(given.url),
    baseURL: given.origin,
    secret: given.secret,
    logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  })
  const headers = { cookie: given.cookie }
  if (!given.isHandler) return auth.getSession(new Request(given.origin, { headers }))
  const req = new Request(`${given.origin}/api/auth/get-session`, { headers })
  return (await (await auth.handler(req)).json()) as { user: { id: string } }
})
const found = first.result
const userId = found && ('userId' in found ? found.userId : found.user.id)
if (userId !== given.userId) throw new Error('@repo/auth found another session, or none.')
finish({ import: imported.part, first: first.part })
