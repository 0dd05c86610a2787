/**
 * Another process of the same app. Each line on standard input is a `Cookie` header; each line on
 * standard output says whose session it is, or null, and whether the row had to be read for it.
 */

import { createInterface } from 'node:readline'
import { createDb } from '@repo/db'
import { createTestAuth, TEST_ORIGIN } from '../testing.ts'

const db = createDb(process.argv[2] as string)
let queries = 0
const counted = new Proxy(db, {
  get(target, key) {
    if (key === '$queryRaw') queries += 1
    return Reflect.get(target, key)
  },
})
const auth = createTestAuth({ db: counted })

for await (const cookie of createInterface({ input: process.stdin })) {
  const before = queries
  const session = await auth.getSession(new Request(TEST_ORIGIN, { headers: { cookie } }))
  const answer = { userId: session?.userId ?? null, role: session?.role, read: queries > before }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
// Nothing is closed but the client: listening keeps no process running.
await db.$disconnect()
