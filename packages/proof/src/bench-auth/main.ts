/**
 * `pnpm bench auth`: measures `getSession` next to a bare verification and next to Better Auth's own
 * look-ups. All run in one process, one after another.
 *
 * @module
 */

import { createLogger } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { createDb, migrate } from '@repo/db'
import { startPostgres } from '@repo/db/testing'
import { migrateJobs } from '@repo/jobs'
import { say } from '../harness/command.ts'
import { type CommonOptions, readArguments } from '../harness/options.ts'
import { atLeast, atMost, median, type Report, row } from '../harness/report.ts'
import { run } from '../harness/run.ts'
import type { Scope } from '../harness/scope.ts'
import { COOKIE_CACHES, cookieCache, database } from './better-auth.ts'
import { bare, cold, fresh, permission, type Subject, setUp, warm } from './subjects.ts'

const USAGE = `pnpm bench auth [options]
  --seconds <n>  how long each subject is measured, over all rounds (default 4)
  --rounds <n>   rounds in which the subjects take turns; their median is reported (default 40)
  --quick        a smoke run of a few seconds, whose figures mean little
  --json         one JSON document on standard output, everything else on standard error
  --out <file>   the same document in a file`

/** How long one subject's calls follow each other without a pause. */
const TURN_NS = 10_000_000n

interface Options extends CommonOptions {
  seconds: number
  rounds: number
}

function readOptions(args: string[]): Options {
  const { positive, whole, ...common } = readArguments(args, 'auth', ['seconds', 'rounds'])
  return {
    ...common,
    seconds: positive('seconds', common.quick ? 0.3 : 4),
    rounds: whole('rounds', common.quick ? 5 : 40),
  }
}

async function measure({ seconds, rounds }: Options, scope: Scope): Promise<Report> {
  say('starting PostgreSQL')
  const postgres = await startPostgres()
  scope.add(() => postgres.stop())
  const url = await postgres.createDatabase('bench')
  await migrate(url)
  await migrateJobs(url)
  const db = createDb(url)
  scope.add(() => db.$disconnect())
  const setting = await setUp(db, createLogger(createTestLogger()))
  scope.add(async () => setting.auth.close())

  const subjects: Subject[] = [warm(setting), cold(setting), bare(setting), fresh(setting)]
  subjects.push(permission(setting))
  subjects.push(await database(db))
  for (const strategy of COOKIE_CACHES) subjects.push(await cookieCache(db, strategy))

  const times = new Map(subjects.map(({ name }) => [name, [] as number[]]))
  for (const subject of subjects) {
    say(`warming up: ${subject.name}`)
    await timed(subject, 200)
  }
  say(`measuring in ${rounds} rounds`)
  // Many short turns spread the machine's other work over all subjects.
  for (let round = 0; round < rounds; round += 1) {
    for (const subject of subjects) {
      times.get(subject.name)?.push(await timed(subject, (seconds * 1000) / rounds))
    }
  }
  const of = (name: string) => median(times.get(name) ?? [])
  const fastest = Math.min(
    ...COOKIE_CACHES.map((strategy) => of(`Better Auth, cookie cache ${strategy}`)),
  )
  return {
    rows: subjects.map(({ name }) => row(name, of(name), 'µs')),
    targets: [
      atLeast('cookie cache / getSession warm', 100, fastest / of('getSession warm')),
      atMost('getSession cold / jose.jwtVerify', 1.3, of('getSession cold') / of('jose.jwtVerify')),
      atMost('a hundred permission checks', 100, of('can, a hundred times'), ' µs'),
    ],
  }
}

/** Microseconds per call, over calls for about `ms` milliseconds, one after another. */
async function timed({ name, once, isRight }: Subject, ms: number): Promise<number> {
  let calls = 0
  let spent = 0n
  const ends = Date.now() + ms
  while (Date.now() < ends) {
    const since = process.hrtime.bigint()
    let now = since
    while (now - since < TURN_NS) {
      for (let n = 0; n < 20; n += 1) {
        if (!isRight(await once())) throw new Error(`${name}: the answer is wrong.`)
      }
      calls += 20
      now = process.hrtime.bigint()
    }
    spent += now - since
    // Timers and sockets get their turn, as in a server.
    await new Promise((done) => setImmediate(done))
  }
  return Number(spent) / 1000 / calls
}

await run(USAGE, readOptions, measure)
