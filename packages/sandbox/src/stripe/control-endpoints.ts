/**
 * The controls over HTTP, for the buttons of the front page and for processes of their own: `POST /controls/stripe/<name>`
 * with a form or JSON. A process gets the changed object, a browser is led back to the front page.
 *
 * @module
 */

import { Hono, type Context as HonoContext } from 'hono'
import { SandboxError } from '../errors.ts'
import { readForm, sameOrigin } from '../layout.tsx'
import type { StripeSandbox } from './sandbox.ts'

/** The fields of a request. */
interface Fields {
  /** A field that has to be there. @throws `invalid_body` */
  id(name: string): string
  /** One of these words; the first one where the field is absent. @throws `invalid_body` */
  choice<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word
  /** A whole number; undefined where the field is absent. @throws `invalid_body` */
  whole(name: string): number | undefined
}

type Control = (stripe: StripeSandbox, fields: Fields) => object | Promise<object>

const amountOf = ({ whole }: Fields) => {
  const amount = whole('amount')
  return amount === undefined ? {} : { amount }
}

/** The controls by name. */
const CONTROLS: Record<string, Control> = {
  // A subscription's period ends, and the next one begins and is charged.
  renew: (stripe, { id }) => stripe.renew(id('subscription')),
  // The next payment of a subscription fails, so it is past due.
  fail_payment: (stripe, { id }) => stripe.failPayment(id('subscription')),
  // A trial ends in three days.
  trial_will_end: (stripe, { id }) => stripe.trialWillEnd(id('subscription')),
  // The last retry has failed, so the subscription ends.
  end: (stripe, { id }) => stripe.endSubscription(id('subscription')),
  // The 23 hours for the first payment are over.
  expire: (stripe, { id }) => stripe.expireSubscription(id('subscription')),
  // The bank settles a debit, or the buyer confirms with the bank.
  settle_payment: (stripe, { id, choice }) =>
    stripe.settlePayment(id('payment'), choice('outcome', ['succeeded', 'failed'])),
  // A refund made at the dashboard.
  refund: (stripe, fields) => stripe.refund(fields.id('payment'), amountOf(fields)),
  dispute: (stripe, fields) => stripe.dispute(fields.id('payment'), amountOf(fields)),
  close_dispute: (stripe, { id, choice }) =>
    stripe.closeDispute(id('dispute'), choice('status', ['lost', 'won', 'warning_closed'])),
  // An event is sent again, several times if asked.
  send_again: async (stripe, { id, whole }) => {
    const times = Math.min(whole('times') ?? 1, 10)
    const sent = []
    for (let n = 0; n < times; n += 1) sent.push(...(await stripe.redeliver(id('event'))))
    return { sent: sent.length }
  },
  // Events are held back, so that they arrive late, until they are let go.
  hold: (stripe) => {
    stripe.pause()
    return { held: true }
  },
  let_go: (stripe) => {
    stripe.resume()
    return { held: false }
  },
}

/** The app that answers `/controls/stripe`. */
export function createStripeControls(stripe: StripeSandbox): Hono {
  const app = new Hono()
  app.get('/controls/stripe', (c) => c.json({ controls: Object.keys(CONTROLS) }))
  app.post('/controls/stripe/:name', sameOrigin, async (c) => {
    const isProcess = isJson(c) || c.req.header('accept')?.includes('application/json') === true
    try {
      const name = c.req.param('name')
      const control = Object.hasOwn(CONTROLS, name) ? CONTROLS[name] : undefined
      if (!control) {
        const known = Object.keys(CONTROLS).join(', ')
        throw new SandboxError(
          'not_found',
          404,
          `There is no control ${JSON.stringify(name)}. The controls are ${known}.`,
        )
      }
      const done = await control(stripe, fieldsOf(await read(c)))
      return isProcess ? c.json(done) : c.redirect('/', 303)
    } catch (error) {
      if (!isProcess) throw error
      const { code = 'internal_error', status = 500, message } = error as SandboxError
      return c.json({ error: { code, message } }, status as 400)
    }
  })
  return app
}

const isJson = (c: HonoContext): boolean =>
  c.req.header('content-type')?.startsWith('application/json') === true

async function read(c: HonoContext): Promise<Record<string, unknown>> {
  if (!isJson(c)) return readForm(c)
  const text = await c.req.text()
  try {
    const body: unknown = JSON.parse(text === '' ? '{}' : text)
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return { ...body }
  } catch {
    // The error below says what is wrong.
  }
  throw new SandboxError('invalid_body', 400, 'The body must be a JSON object.')
}

function fieldsOf(body: Record<string, unknown>): Fields {
  const given = (name: string) =>
    Object.hasOwn(body, name) && body[name] !== '' ? body[name] : undefined
  const refuse = (message: string) => new SandboxError('invalid_body', 400, message)
  return {
    id(name) {
      const value = given(name)
      if (typeof value === 'string') return value
      throw refuse(`The field ${name} must be the id of a ${name}.`)
    },
    choice(name, words) {
      const value = given(name) ?? words[0]
      const word = words.find((each) => each === value)
      if (word !== undefined) return word
      throw refuse(`The field ${name} must be one of ${words.join(', ')}.`)
    },
    whole(name) {
      const value = given(name)
      if (value === undefined) return undefined
      const number = Number(value)
      if (Number.isSafeInteger(number) && number > 0) return number
      throw refuse(`The field ${name} must be a whole number above 0.`)
    },
  }
}
