/**
 * Runs the provider in a process of its own: the stand-in and its customers. Only requests of the product
 * over the network meet faults; requests of the customers do not.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { plans, pushPlans, STRIPE_API_VERSION } from '@repo/billing'
import { createSandbox, type Faults } from '@repo/sandbox'
import Stripe from 'stripe'
import {
  createLife,
  type DrillCustomer,
  type DrillOwner,
  type DrillStep,
  drillHistory,
} from '../drill/index.ts'
import { serve, settingsOf } from '../harness/child.ts'
import { silent } from '../harness/silent.ts'
import { APP_URL, ownerOf, SECRET_KEY } from './product.ts'
import { connect } from './remote.ts'

/** The settings of the process. */
export interface ProviderSettings {
  seed: number
  steps: number
  customers: number
}

/** The result of played steps. */
export interface Played {
  /** New events, the oldest first. */
  events: { id: string; body: string }[]
  /** False: the history has ended. */
  goesOn: boolean
}

/** Functions of the parent process that this process calls. */
export type ProviderHost = {
  /** A customer was created. Returns whether our row names that customer. */
  signUp(owner: DrillOwner, stripeCustomerId: string): Promise<boolean>
  visit(owner: DrillOwner): void
}

const { seed, steps: count, customers } = settingsOf<ProviderSettings>()
const sandbox = createSandbox({
  stripe: { secretKey: SECRET_KEY, delivery: false },
  logger: silent,
})
let faults: Required<Faults> | null = null

/**
 * `fetch` of the customers. The stand-in draws a fault as soon as a request arrives, so faults are switched
 * off for just that moment.
 */
const spared: typeof fetch = (input, init) => {
  sandbox.stripe.setFaults(null)
  const answer = sandbox.stripe.fetch(new Request(input, init))
  if (faults) {
    faults.seed += 1
    sandbox.stripe.setFaults(faults)
  }
  return answer
}
const stripe = new Stripe(SECRET_KEY, {
  apiVersion: STRIPE_API_VERSION as Stripe.LatestApiVersion,
  httpClient: Stripe.createFetchHttpClient(spared),
  telemetry: false,
})

const host = connect<ProviderHost>(process, {
  pushPlans: () => pushPlans(stripe, plans),
  play,
  changeBehind,
  setFaults(given: Required<Faults> | null) {
    faults = given
    sandbox.stripe.setFaults(given)
  },
  customers: () => [...life.customers],
  stepsOf,
})
/** Functions of this process that the parent calls. */
export type Provider = {
  pushPlans(): Promise<unknown>
  play(steps: number): Promise<Played>
  changeBehind(turn: number): Promise<Played>
  setFaults(faults: Required<Faults> | null): void
  customers(): DrillCustomer[]
  stepsOf(ids: string[]): CustomerSteps[]
}

const life = createLife({
  stripe,
  standIn: sandbox.stripe,
  environment: new URL(APP_URL).host,
  ownerOf: (who) => ownerOf(seed, who),
  onSignUp: (owner, stripeCustomerId) => host.signUp(owner, stripeCustomerId),
  onVisit: (owner) => void host.visit(owner).catch(() => {}),
})

const history = drillHistory({ seed, steps: count, customers })
let played = 0
let last: string | undefined

/** Plays `steps` steps of the history. */
async function play(steps: number): Promise<Played> {
  for (const step of history.slice(played, played + steps)) await life.play(step)
  played += steps
  return { events: await newEvents(), goesOn: played < history.length }
}

/** How long a host has been syncing when its customer changes. */
const HEAD_START_MS = 40

/**
 * Lets a customer visit the host and then changes that customer, so that the host's sync has loaded outdated
 * state.
 */
async function changeBehind(turn: number): Promise<Played> {
  const all = [...new Set(history.slice(0, played).map(({ who }) => who))]
  const who = all[turn % all.length] ?? 0
  await life.play({ who, does: 'comeBack', pick: turn })
  await wait(HEAD_START_MS)
  for (const does of ['changeQuantity', 'refund', 'renew'] as const) {
    await life.play({ who, does, pick: turn })
  }
  return { events: await newEvents(), goesOn: true }
}

async function newEvents(): Promise<Played['events']> {
  const events: Played['events'] = []
  for (;;) {
    const page = await stripe.events.list({
      limit: 100,
      ...(last === undefined ? {} : { ending_before: last }),
    })
    for (const event of page.data.reverse()) {
      events.push({ id: event.id, body: JSON.stringify(event) })
      last = event.id
    }
    if (page.data.length < 100) return events
  }
}

/** A customer's steps, for a report of violations. */
export interface CustomerSteps {
  ownerId: string
  stripeCustomerId: string
  /** The wanted ids that belong to the customer. */
  ids: string[]
  steps: DrillStep[]
}

/** The steps of the customers to whom `ids`, or objects with these ids, belong. */
function stepsOf(ids: string[]): CustomerSteps[] {
  const found = new Map<string, Set<string>>()
  for (const event of sandbox.stripe.events) {
    const text = JSON.stringify(event)
    for (const id of ids) {
      if (!text.includes(`"${id}"`)) continue
      for (const { stripeCustomerId } of life.customers) {
        if (!text.includes(`"${stripeCustomerId}"`)) continue
        found.set(stripeCustomerId, (found.get(stripeCustomerId) ?? new Set()).add(id))
      }
    }
  }
  return life.customers.flatMap(({ ownerId, stripeCustomerId }) => {
    const named = found.get(stripeCustomerId)
    if (!named) return []
    const steps = history
      .slice(0, played)
      .filter(({ who }) => ownerOf(seed, who).ownerId === ownerId)
    return [{ ownerId, stripeCustomerId, ids: [...named], steps }]
  })
}

const { stripeUrl } = await sandbox.listen()
serve({ stripeUrl }, () => sandbox.stop())
