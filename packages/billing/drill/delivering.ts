/**
 * The deliveries of a drill: of the history while it is played, and then of changes that are made
 * behind a host that has just asked.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import { createProgress } from '../src/progress.ts'
import { createPost, type Due } from '../src/testing.ts'
import type { Options } from './options.ts'
import { createPostman } from './postman.ts'
import type { Product } from './product.ts'
import type { Provider } from './provider-process.ts'
import type { Remote } from './remote.ts'

/** Things that happen between two looks at what there is to deliver. */
const STEPS_AT_ONCE = 20
/** Events that a late delivery may come after: most of a small run, and some weeks of a large one. */
const REACH = 600
/** A small run takes so long at least: long enough for each mishap to come. */
const MIN_PLAY_MS = 32_000
/** More events than this wait: the customers pause, so that what is checked is not one long backlog. */
const MAX_BACKLOG = 1_500
/** The share of deliveries that the races get, and what they need at least to show anything. */
const RACES = { share: 0.05, least: 300 }
/** Often enough that one of two syncs is overtaken by the other. */
const LATE = { rate: 0.2, kinds: ['late'] as const }

export interface DeliveringOptions {
  options: Options
  provider: Remote<Provider>
  system: Product
  backlog(): Promise<number>
}

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
    // What is beyond the number asked for is as good as dropped: a pull finds it.
    if (begun >= total) return
    begun += 1
    await postman.deliver(due)
  }
  return {
    postman,
    post,
    /** Ids of all events. */
    happened,
    get steps() {
      return steps
    },
    /** Deliveries that are over. */
    get done() {
      return done
    },
    /** Plays the history until there are as many deliveries as it gets, and makes them. */
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
    /** Makes the rest: of changes that a sync under way has not seen, told at once. */
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
