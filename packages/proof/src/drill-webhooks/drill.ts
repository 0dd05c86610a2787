/**
 * Runs one drill of webhooks. A history is played and its events are delivered under mishaps. Then the
 * mishaps end, the remaining work is finished, and the promises are checked.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStripe } from '@repo/billing'
import { readCalls } from '@repo/billing/testing'
import { checkInvariants } from '../drill/index.ts'
import { startChild } from '../harness/child.ts'
import { say } from '../harness/command.ts'
import type { Scope } from '../harness/scope.ts'
import { createCalm } from './calm.ts'
import { startDatabase } from './database.ts'
import { createDelivering } from './delivering.ts'
import { linkCustomers } from './link.ts'
import { startMishaps } from './mishaps.ts'
import type { Options } from './options.ts'
import { SECRET_KEY } from './product.ts'
import type { Provider, ProviderHost, ProviderSettings } from './provider-process.ts'
import { connect } from './remote.ts'
import type { Report } from './report.ts'
import { createSystem } from './system.ts'

const HOSTS = 2
/**
 * Lease and timeout of the product, and how long a process takes to start on the machine for which these
 * times were chosen.
 */
const TIMES = { leaseMs: 3_000, timeoutMs: 1_500, startMs: 3_000 }
/** Ids of the provider and of owners in violations. */
const PROVIDER_ID = /\b[a-z]+_\w{8,}|\b[0-9a-f]{8}-[0-9a-f-]{27}/g

/** Runs a drill and returns its report. */
export async function drill(options: Options, scope: Scope): Promise<Report> {
  const { seed, events, workers } = options
  const began = Date.now()
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-drill-'))
  scope.add(async () => rmSync(folder, { recursive: true, force: true }))
  const mails = join(folder, 'mails')
  writeFileSync(mails, '')
  say(`seed ${seed}: starting PostgreSQL, the provider, ${HOSTS} hosts and ${workers} workers`)
  const database = await startDatabase(folder, scope)
  const settings: ProviderSettings = {
    seed,
    // More than enough steps: most steps cause several events.
    steps: events,
    customers: Math.max(20, Math.round(events / 60)),
  }
  const starting = Date.now()
  const child = await startChild<{ stripeUrl: string }>(
    new URL('provider-process.ts', import.meta.url),
    settings,
  )
  scope.add(() => child.stop())
  // On a slower machine processing takes longer, too, and a process that always loses its lease
  // finishes nothing.
  const pace = Math.max(1, (Date.now() - starting) / TIMES.startMs)
  const leaseMs = Math.ceil(TIMES.leaseMs * pace)
  const timeoutMs = Math.ceil(TIMES.timeoutMs * pace)
  const { stripeUrl } = child.ready
  const system = createSystem({
    scope,
    folder,
    files: {
      host: new URL('host-process.ts', import.meta.url),
      worker: new URL('worker-process.ts', import.meta.url),
    },
    settings: { databaseUrl: database.url, stripeUrl, seed, mails, leaseMs, timeoutMs },
    count: { host: HOSTS, worker: workers },
  })
  const customers = linkCustomers(database, system)
  const host: ProviderHost = customers
  const provider = connect<Provider>(child.process, host)
  await provider.pushPlans()
  await system.start()

  const calm = createCalm(database)
  const delivering = createDelivering({ options, provider, system, backlog: calm.backlog })
  const mishaps = startMishaps({
    seed,
    leaseMs,
    progress: () => delivering.done / events,
    system,
    database,
    setFaults: provider.setFaults,
  })
  scope.add(() => mishaps.stop())
  const sweeping = calm.sweep()
  await delivering.play()
  await mishaps.stop()
  await delivering.race()
  const { postman, post, happened } = delivering
  system.calm()
  say(`the mishaps are over, and ${await calm.backlog()} events are pending`)
  const playedMs = Date.now() - began
  await calm.drain()
  const pulled = await calm.pull(createStripe(SECRET_KEY, { apiBase: stripeUrl }))
  await calm.drain()
  await sweeping.stop()

  say('comparing our tables with the provider')
  const violations = [
    ...postman.violations,
    ...system.violations,
    ...(await calm.leftMails()),
    ...(await checkInvariants({
      db: database.db,
      stripe: createStripe(SECRET_KEY, { apiBase: stripeUrl }),
      calls: await readCalls(database.db),
      mails: readFileSync(mails, 'utf8').split('\n').slice(0, -1),
      witness: {
        answered: postman.answered,
        happened,
        customers: await provider.customers(),
      },
    })),
  ]
  const ids = violations.flatMap(({ id }) => id.match(PROVIDER_ID) ?? [])
  return {
    seed,
    deliveries: postman.made,
    tries: postman.tries,
    happened: { steps: delivering.steps, events: happened.length },
    dropped: post.dropped,
    answered: postman.answered.size,
    visits: customers.visits,
    pulled,
    ...(await calm.figures()),
    mishaps: Object.fromEntries(mishaps.counts),
    restarts: system.restarts,
    handlerDeaths: system.handlerDeaths,
    seconds: { played: playedMs / 1000, all: (Date.now() - began) / 1000 },
    violations,
    concerned: violations.length > 0 ? await provider.stepsOf([...new Set(ids)].slice(0, 20)) : [],
  }
}
