/** What one process writes every other process hears of, within a second and whatever happens to connections. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { lazy } from '@repo/core'
import { until } from '@repo/core/testing'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { asDatabase, createDb, databaseUrlOf } from '../client.ts'
import { asSystem } from '../connection.ts'
import type { Invalidations } from '../invalidations.ts'
import { createTestDatabase, type TestDatabase, through } from '../testing/database.ts'
import { startPooler } from '../testing/pooler.ts'
import { OWNER } from '../testing/postgres.ts'
import { createFacts, FACTS } from './facts.ts'
import { createWire, type Wire } from './wire.ts'

const postgres = inject('postgres')

let database: TestDatabase
let wire: Wire
/** What happens to what passes. `isHeld`: nothing passes, and nobody is told. */
let isHeld = false
let change: (answer: Buffer) => Buffer = (answer) => answer
let heard: string[] = []
let reads: bigint[] = []
let answeredAt = 0
let facts: Invalidations

beforeAll(async () => {
  database = await createTestDatabase(postgres)
  for (const statement of FACTS.split(';')) await database.db.$executeRawUnsafe(statement)
})
afterAll(() => database.drop())

beforeEach(async () => {
  isHeld = false
  change = (answer) => answer
  heard = []
  reads = []
  await database.db.$executeRaw`DELETE FROM "Fact"`
  wire = await createWire(database.url, {
    asked(chunk, pass) {
      if (!isHeld) pass(chunk)
    },
    answered(chunk, pass) {
      if (isHeld) return
      answeredAt = Date.now()
      pass(change(chunk))
    },
  })
  facts = createFacts(
    wire.url,
    (name) => heard.push(name),
    (since) => reads.push(since),
  )
  await current(true)
})
afterEach(() => {
  facts.close()
  wire.close()
})

const current = (is: boolean) => until(() => facts.isCurrent(Date.now()) === is)
const write = (name: string) =>
  database.db.$executeRaw`INSERT INTO "Fact" ("name") VALUES (${name})`

/** A wire on which the server refuses LISTEN, because what arrives is no statement. */
const withoutListen = () =>
  createWire(database.url, {
    asked: (chunk, pass) =>
      pass(Buffer.from(chunk.toString('latin1').replace('LISTEN', 'LOSTEN'), 'latin1')),
    answered: (chunk, pass) => pass(chunk),
  })

interface Other {
  lines: string[]
  process: ChildProcess
}

async function startOther(url: string): Promise<Other> {
  const script = fileURLToPath(new URL('./hearing-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', script, url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) =>
    lines.push(line),
  )
  await until(() => lines.includes('current'))
  return { lines, process: child }
}

async function stopOther({ process: child }: Other): Promise<void> {
  const ended = once(child, 'exit')
  child.stdin?.end()
  expect(await ended).toEqual([0, null])
}

/** The machine may be slow, so the fastest of some rounds counts. */
async function expectWithinASecond(others: Other[]): Promise<void> {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 8 && least >= 1_000; round += 1) {
    const name = `fact ${round}`
    await write(name)
    const since = performance.now()
    await until(() => others.every(({ lines }) => lines.includes(name)))
    least = Math.min(least, performance.now() - since)
  }
  expect(least).toBeLessThan(1_000)
}

test('a change reaches two other processes within a second, also one that cannot LISTEN', async () => {
  const deaf = await withoutListen()
  const others = await Promise.all([database.url, deaf.url].map(startOther))
  await expectWithinASecond(others)
  await Promise.all(others.map(stopOther))
  deaf.close()
})

/** On machines that have PgBouncer, and with the embedded server, whose owner needs no password. */
const canPool = postgres.owner === OWNER && !spawnSync('pgbouncer', ['--version']).error

test.skipIf(!canPool)(
  'a change reaches another process through PgBouncer in transaction mode, too',
  async () => {
    const pooler = await startPooler(postgres.adminUrl)
    const url = through(pooler.host, database.url)
    const others = await Promise.all([url, url].map(startOther))
    await expectWithinASecond(others)
    await Promise.all(others.map(stopOther))
    await pooler.stop()
  },
)

async function asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: asSystem(database.url) })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

test('`settle` waits until earlier commits have been heard', async () => {
  for (let n = 0; n < 50; n += 1) {
    await write(String(n))
    await Promise.all([facts.settle(), facts.settle()])
    expect(heard).toContain(String(n))
  }
})

test('a transaction that began earlier and commits later is heard', async () => {
  await asOwner(async (earlier) => {
    await earlier.query('BEGIN')
    await earlier.query(`INSERT INTO "Fact" ("name") VALUES ('began earlier')`)
    await write('began later')
    await facts.settle()
    expect(heard).toContain('began later')
    expect(heard).not.toContain('began earlier')
    await earlier.query('COMMIT')
  })
  await facts.settle()
  expect(heard).toContain('began earlier')
})

test('a row that was heard is not read again', async () => {
  await write('once')
  await expect.poll(() => heard).toContain('once')
  // The next transaction ends the time in which the row counts as new.
  await write('another')
  await facts.settle()
  await facts.settle()
  heard = []
  await facts.settle()
  expect(heard).not.toContain('once')
})

test('many calls of `settle` at once wake the other processes once', async () => {
  await asOwner(async (listening) => {
    let woken = 0
    listening.on('notification', () => {
      woken += 1
    })
    await listening.query('LISTEN "test facts"')
    await write('news')
    await Promise.all(Array.from({ length: 100 }, () => facts.settle()))
    await expect.poll(() => woken).toBeGreaterThan(0)
    expect(woken).toBeLessThan(10)
  })
})

test('a connection that was cut is replaced, and nothing is missed meanwhile', async () => {
  const before = reads.length
  isHeld = true
  wire.cut()
  await current(false)
  await write('meanwhile')
  isHeld = false
  await expect.poll(() => heard).toContain('meanwhile')
  await current(true)
  expect(reads.slice(before)).toContain(0n)
})

test('a silent connection counts as lost after two seconds', async () => {
  isHeld = true
  await current(false)
  expect(Date.now() - answeredAt).toBeGreaterThan(1_000)
  await facts.settle()
  await write('in silence')
  isHeld = false
  await expect.poll(() => heard).toContain('in silence')
  await current(true)
})

test('after another server with lower transaction numbers took over, all rows are read again', async () => {
  // The numbers of transactions of a server that is far ahead, in as many digits.
  change = (answer) => {
    const ahead = answer
      .toString('latin1')
      .replace(/\d{3,}/g, (digits) => '9'.repeat(digits.length))
    return Buffer.from(ahead, 'latin1')
  }
  await until(() => /^9{3,}$/.test(String(reads.at(-1))))
  await write('after it took over')
  change = (answer) => answer
  await expect.poll(() => heard).toContain('after it took over')
})

test('while the rows cannot be read the process is not current, and it reads them later', async () => {
  await database.db.$executeRaw`ALTER TABLE "Fact" RENAME TO "Elsewhere"`
  await current(false)
  await database.db.$executeRaw`ALTER TABLE "Elsewhere" RENAME TO "Fact"`
  await write('back')
  await expect.poll(() => heard).toContain('back')
  await current(true)
})

test('after closing it is never current', async () => {
  facts.close()
  const before = reads.length
  expect(facts.isCurrent(Date.now())).toBe(false)
  await facts.settle()
  // The beat of one that began later comes after the next beat of the closed one, and after its first pause
  // before it would connect again.
  const laterReads: bigint[] = []
  const later = createFacts(
    wire.url,
    () => {},
    (since) => laterReads.push(since),
  )
  await until(() => laterReads.length >= 2)
  later.close()
  expect(reads.length).toBe(before)
})

test('the address of a client is known, also of a lazy and of an extended client', () => {
  const { url } = database
  const db = createDb(url)
  expect(databaseUrlOf(db)).toBe(url)
  expect(databaseUrlOf(lazy(() => db))).toBe(url)
  expect(databaseUrlOf(asDatabase(db.$extends({})))).toBe(url)
  expect(databaseUrlOf({} as typeof db)).toBeNull()
})
