/**
 * Makes the deliveries of a drill: first those of the played history, then those of changes that happen while
 * a host is syncing.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import { createProgress } from '@repo/core/cli'
import { createPost, type Due } from '../drill/index.ts'
import type { Options } from './options.ts'
import { createPostman } from './postman.ts'
import type { Product } from './product.ts'
import type { Provider } from './provider-process.ts'
import type { Remote } from './remote.ts'

/** Steps played between two rounds of deliveries. */
const STEPS_AT_ONCE = 20
/** How many events a late delivery waits for at the most. */
const REACH = 600
/** The shortest duration of a run, so that each mishap comes. */
const MIN_PLAY_MS = 32_000
/** The most pending events. Above it the customers pause, so that the drill does not test one long backlog. */
const MAX_BACKLOG = 1_500
/** The share of deliveries for the races, and the fewest that show anything. */
const RACES = { share: 0.05, least: 300 }
/** Late answers, frequent enough that syncs overtake each other. */
const LATE = { rate: 0.2, kinds: ['late'] as const }

/** The parts that deliveries need. */
export interface DeliveringOptions {
  options: Options
  provider: Remote<Provider>
  system: Product
  backlog(): Promise<number>
}

/** Creates the functions that play the history and deliver its events. */
export function createDelivering({ options, provider, system, backlog }: DeliveringOptions) {
  const { seed, events: total } = options
  const progress = createProgress('deliveries')
  let done = 0
  const postman = createPostman({
    seed,
    hosts: () => system.urls('host'),
    onDelivered() {
      done += 1
      progress.show(done, total)
    },
  })
  const post = createPost(seed, { reach: Math.min(REACH, Math.ceil(total / 8)) })
  const happened: string[] = []
  const beforeRaces = total - Math.min(total / 2, Math.max(RACES.least, total * RACES.share))
  let begun = 0
  let steps = 0
  const deliver = async (due: Due): Promise<void> => {
    // Events beyond the wanted number of deliveries are not delivered. A pull finds them.
    if (begun >= total) return
    begun += 1
    await postman.deliver(due)
  }
  return {
    postman,
    post,
    /** Ids of all events that happened. */
    happened,
    get steps() {
      return steps
    },
    /** Number of finished deliveries. */
    get done() {
      return done
    },
    /** Plays the history until it has its share of deliveries, and makes them. */
    async play(): Promise<void> {
      const began = Date.now()
      for (let goesOn = true; goesOn && begun + post.waiting < beforeRaces; ) {
        const played = await provider.play(STEPS_AT_ONCE)
        goesOn = played.goesOn
        steps += STEPS_AT_ONCE
        for (const event of played.events) {
          happened.push(event.id)
          for (const due of post.take(event)) {
            const early = began + (begun / total) * MIN_PLAY_MS - Date.now()
            if (early > 0) await wait(early)
            await deliver(due)
          }
        }
        while ((await backlog()) > MAX_BACKLOG) await wait(200)
      }
      for (const due of post.rest()) await deliver(due)
      await postman.settled()
    },
    /** Makes the other deliveries: events of changes that a running sync has not seen, delivered at once. */
    async race(): Promise<void> {
      await provider.setFaults({ rate: LATE.rate, kinds: [...LATE.kinds], seed })
      for (let turn = 0; begun < total && turn < total; turn += 1) {
        const { events } = await provider.changeBehind(turn)
        for (const { id: eventId, body } of events) {
          happened.push(eventId)
          await deliver({ eventId, body, kind: 'genuine' })
        }
      }
      await postman.settled()
      await provider.setFaults(null)
      progress.end()
    },
  }
}
