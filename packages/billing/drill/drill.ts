/**
 * One drill: a history is played and delivered under mishaps; then all is calm, what is left is
 * worked through, and what must hold is checked.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startChild } from '../bench/child.ts'
import { say } from '../bench/command.ts'
import type { Scope } from '../bench/scope.ts'
import { createStripe } from '../src/index.ts'
import { createProgress } from '../src/progress.ts'
import { checkInvariants, createPost, readCalls } from '../src/testing.ts'
import { createCalm } from './calm.ts'
import { startDatabase } from './database.ts'
import { linkCustomers } from './link.ts'
import { startMishaps } from './mishaps.ts'
import type { Options } from './options.ts'
import { createPostman } from './postman.ts'
import { SECRET_KEY } from './product.ts'
import type { Provider, ProviderHost, ProviderSettings } from './provider-process.ts'
import { connect, type Remote } from './remote.ts'
import type { Report } from './report.ts'
import { createSystem, type System } from './system.ts'

const HOSTS = 2
/** Things that happen between two looks at what there is to deliver. */
const STEPS_AT_ONCE = 20
/** Events that a late delivery may come after: most of a small run, and some weeks of a large one. */
const REACH = 600
/** A small run takes so long at least: long enough for each mishap to come. */
const MIN_PLAY_MS = 32_000
/** More events than this wait: the customers pause, so that what is checked is not one long backlog. */
const MAX_BACKLOG = 1_500
const PROVIDER_ID = /\b[a-z]+_\w{8,}|\b[0-9a-f]{8}-[0-9a-f-]{27}/g

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
    // An event is delivered less than twice on the average, and most steps make several.
    steps: events,
    customers: Math.max(20, Math.round(events / 60)),
  }
  const child = await startChild<{ stripeUrl: string }>(
    new URL('provider-process.ts', import.meta.url),
    settings,
  )
  scope.add(() => child.stop())
  const { stripeUrl } = child.ready
  const system = createSystem({
    scope,
    folder,
    settings: { databaseUrl: database.url, stripeUrl, seed, mails },
    count: { host: HOSTS, worker: workers },
  })
  const customers = linkCustomers(database, system)
  const host: ProviderHost = customers
  const provider = connect<Provider>(child.process, host)
  await provider.pushPlans()
  await system.start()

  const calm = createCalm(database)
  const mishaps = startMishaps({ seed, system, database, setFaults: provider.setFaults })
  scope.add(() => mishaps.stop())
  const sweeping = calm.sweep()
  const postman = await deliverAll({ options, provider, system, backlog: calm.backlog })
  await mishaps.stop()
  system.calm()
  say(`calm: ${await calm.backlog()} events wait`)
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
        happened: postman.happened,
        customers: await provider.customers(),
      },
    })),
  ]
  const ids = violations.flatMap(({ id }) => id.match(PROVIDER_ID) ?? [])
  return {
    seed,
    deliveries: postman.made,
    tries: postman.tries,
    happened: { steps: postman.steps, events: postman.happened.length },
    dropped: postman.dropped,
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

interface Delivering {
  options: Options
  provider: Remote<Provider>
  system: System
  backlog(): Promise<number>
}

/** Plays until there are as many deliveries as were asked for, and makes them. */
async function deliverAll({ options, provider, system, backlog }: Delivering) {
  const { seed, events: total } = options
  const progress = createProgress('deliveries')
  let done = 0
  const postman = createPostman({
    seed,
    hosts: system.hosts,
    onDelivered() {
      done += 1
      progress.show(done, total)
    },
  })
  const post = createPost(seed, { reach: Math.min(REACH, Math.ceil(total / 8)) })
  const happened: string[] = []
  const began = Date.now()
  let begun = 0
  let steps = 0
  for (let goesOn = true; goesOn && begun + post.waiting < total; ) {
    const played = await provider.play(STEPS_AT_ONCE)
    goesOn = played.goesOn
    steps += STEPS_AT_ONCE
    for (const event of played.events) {
      happened.push(event.id)
      for (const due of post.take(event)) {
        if (begun >= total) break
        const early = began + (begun / total) * MIN_PLAY_MS - Date.now()
        if (early > 0) await wait(early)
        begun += 1
        await postman.deliver(due)
      }
    }
    while ((await backlog()) > MAX_BACKLOG) await wait(200)
  }
  // What is left over is as good as dropped: a pull finds it.
  for (const due of post.rest().slice(0, total - begun)) await postman.deliver(due)
  await postman.settled()
  progress.end()
  const { dropped } = post
  return Object.assign(postman, { happened, dropped, steps })
}
